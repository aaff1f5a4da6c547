"""The SageMaker pipeline definition: built with the SDK, compiled and checked offline."""
