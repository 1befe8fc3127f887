import pytest

from apps.jobs import registry


def test_every_registered_kind_has_a_worker_that_can_be_called():
    kinds = registry.kinds()

    assert {"jobs.clean", "webhooks.deliver"} <= {kind.name for kind in kinds}
    for kind in kinds:
        assert callable(registry.resolve(kind.name).worker)
        assert len(kind.name) <= 64
        assert kind.max_attempts > 0


def test_a_kind_that_nobody_registered_is_an_error():
    with pytest.raises(LookupError):
        registry.resolve("test.nobody")


def test_two_workers_cannot_share_a_kind(register):
    register("test.one", lambda run: None)

    with pytest.raises(ValueError, match="two workers"):
        registry.register("test.one", lambda run: {})


def test_registering_the_same_worker_again_is_nothing(register):
    def worker(run):
        return None

    register("test.one", worker)

    registry.register("test.one", worker)

    assert registry.resolve("test.one").worker is worker
