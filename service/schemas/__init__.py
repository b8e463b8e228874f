"""What requests and answers look like: one module a router, each model serving validation and the OpenAPI document."""
