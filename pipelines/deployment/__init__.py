"""Blue/green deployment of registered models, to SageMaker endpoints or servers on this machine."""
