"""Gradwire's mathematics: fully connected networks, their derivatives and their training, on NumPy or CuPy.

One way in for each thing:

    select(name)                                       -> Backend: the array module `xp` that everything takes
    Architecture(inputs, layers, cost, dtype)          what a network is
    initialize(architecture, initializer, seed)        -> the flat vector of a start, on the host
    Parameters(architecture, vector)                   the numbers, and each layer's view of them
    feedforward(xp, parameters, x)                     -> Trace: every z and a;  predict: the outputs alone
    backprop(xp, parameters, x, y)                     -> Backprop: cost, trace, errors, mean gradient
    per_example_gradients(xp, found)                   -> dC_x/dw, dC_x/db of every example
    per_example_norms(xp, found)                       -> the norm of every example's gradient, none of them made
    input_gradient(xp, parameters, found)              -> dC_x/dx
    make_options(kind, values)                         -> Options of an optimizer
    sgd_step(xp, parameters, state, x, y, options)     -> Step: the next parameters and state
    Trainer(parameters, options, state)                many steps in place on NumPy, as fast as the products allow
    trainer(backend, parameters, options, state)       the same on any backend
    Predictor(parameters), Gradients(parameters)       predict, and cost with gradient, as fast, for many calls on NumPy

It knows no web, no disk and no clock, and needs numpy and scipy alone.
"""

from __future__ import annotations

from core.activations import ACTIVATIONS
from core.backend import Backend, select
from core.backprop import Backprop, backprop, input_gradient, per_example_gradients, per_example_norms
from core.costs import COSTS
from core.errors import (
    BackendUnavailable,
    CoreError,
    InvalidArchitecture,
    InvalidBatch,
    InvalidOptions,
    NonFiniteError,
)
from core.feedforward import LayerTrace, Trace, feedforward, predict
from core.initializers import INITIALIZERS, initialize
from core.network import Architecture, Layer, LayerParameters, Parameters
from core.optimizers import OPTIMIZERS, OptimizerState, Options, make_options
from core.plans.choice import Training, trainer
from core.plans.gradients import Gradients
from core.plans.predictor import Predictor
from core.plans.trainer import Trainer
from core.step import Step, sgd_step

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "INITIALIZERS",
    "OPTIMIZERS",
    "Architecture",
    "Backend",
    "BackendUnavailable",
    "Backprop",
    "CoreError",
    "Gradients",
    "InvalidArchitecture",
    "InvalidBatch",
    "InvalidOptions",
    "Layer",
    "LayerParameters",
    "LayerTrace",
    "NonFiniteError",
    "OptimizerState",
    "Options",
    "Parameters",
    "Predictor",
    "Step",
    "Trace",
    "Trainer",
    "Training",
    "backprop",
    "feedforward",
    "initialize",
    "input_gradient",
    "make_options",
    "per_example_gradients",
    "per_example_norms",
    "predict",
    "select",
    "sgd_step",
    "trainer",
]
