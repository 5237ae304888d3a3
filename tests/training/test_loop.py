import torch

from facesim.training.loop import _one_cycle


class ThreeEpochs:
    epochs, batches_per_epoch, learning_rate = 3, 4, 1e-3


def schedule(epochs_done):
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))], ThreeEpochs.learning_rate)
    return optimiser, _one_cycle(optimiser, ThreeEpochs(), epochs_done)


def rates(optimiser, cycle, steps):
    """Return the learning rate and the first beta before each step."""
    for _ in range(steps):
        yield optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["betas"][0]
        optimiser.step()
        cycle.step()


def test_a_resumed_schedule_continues_where_it_was():
    whole = list(rates(*schedule(0), 12))
    assert len(set(whole)) == 12
    for epochs_done in (1, 2):
        assert list(rates(*schedule(epochs_done), 12 - 4 * epochs_done)) == whole[4 * epochs_done :]
