"""Train, evaluate, register and deploy the models, on SageMaker or on one machine."""
