import pytest

from kseg import registry


@pytest.fixture
def networks(monkeypatch):
    """An empty registry."""
    found = {}
    monkeypatch.setattr(registry, "_NETWORKS", found)
    return found


def test_a_registered_function_is_unchanged_and_found_by_name(networks):
    def build():
        return "a model"

    assert registry.register("zebra")(build) is build
    registry.register("ant")(lambda: None)
    assert registry.builder("zebra") is build
    assert registry.names() == ["ant", "zebra"]


def test_a_name_is_taken_once(networks):
    @registry.register("unet")
    def first():
        pass

    with pytest.raises(ValueError, match="must be new. Received: 'unet'.*first"):
        registry.register("unet")(lambda: None)
    assert networks == {"unet": first}


def test_an_unknown_name_lists_the_known_and_the_nearest(networks):
    registry.register("unet")(lambda: None)
    registry.register("segnet")(lambda: None)
    with pytest.raises(ValueError) as error:
        registry.builder("u_net")
    assert str(error.value) == (
        "The network must be one of ['segnet', 'unet']. Received: 'u_net'. "
        "Did you mean 'unet'?"
    )


def test_nothing_is_suggested_where_nothing_is_near():
    message = registry.unknown("network", "xyz", ["segnet", "unet"])
    assert message.endswith("Received: 'xyz'.")


@pytest.mark.parametrize("name", [None, 3, ("unet",)])
def test_a_name_of_another_type_is_unknown(networks, name):
    with pytest.raises(ValueError, match="must be one of"):
        registry.builder(name)
