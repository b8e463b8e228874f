"""The use cases, one a file, without HTTP: what a request asks for in, what it is answered out."""

from service.operations.about import info, metrics, require_ready
from service.operations.admission import admit_network
from service.operations.backprop import backprop
from service.operations.checkpoints import (
    create_checkpoint,
    delete_checkpoint,
    get_checkpoint,
    list_checkpoints,
    restore,
)
from service.operations.checks import check_batch
from service.operations.create_network import Given, NewNetwork, create_network, drawn
from service.operations.feedforward import feedforward
from service.operations.fork_network import fork_network
from service.operations.networks import delete_network, get_network, list_networks, rename_network
from service.operations.parameters import find_parameters, parameter_document, put_parameters
from service.operations.service import Service
from service.operations.sgd_step import sgd_step
from service.operations.versions import list_versions

__all__ = [
    "Given",
    "NewNetwork",
    "Service",
    "admit_network",
    "backprop",
    "check_batch",
    "create_checkpoint",
    "create_network",
    "delete_checkpoint",
    "delete_network",
    "drawn",
    "feedforward",
    "find_parameters",
    "fork_network",
    "get_checkpoint",
    "get_network",
    "info",
    "list_checkpoints",
    "list_networks",
    "list_versions",
    "metrics",
    "parameter_document",
    "put_parameters",
    "rename_network",
    "require_ready",
    "restore",
    "sgd_step",
]
