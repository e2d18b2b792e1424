"""Questions about channels: what is occupied, by how many, by whom."""

from urllib.parse import quote

import pytest

from tests.doubles import APP, Node, cluster
from tests.wire_doubles import Api, event, publish
from txpusher.model import App

LIST = "/apps/1/channels"


def occupied(*channels, api=None):
    api = api or Api()
    for channel in channels:
        client = api.node.connect()
        client.subscribe(channel, *(["ann"] if channel.startswith("presence-") else []))
    return api


# The list


def test_an_empty_server_has_no_channels():
    """Without subscribers the list is an empty object, which some client libraries insist on."""
    response = Api().get(LIST)
    assert (response.status, response.body) == (200, b'{"channels":{}}')
    assert response.headers["content-type"] == "application/json"


def test_occupied_channels_are_listed():
    """Every channel with a subscriber is there, and those that were only published to are not."""
    api = occupied("a", "presence-b", "private-c", "a")
    api.fast_lane().ask(publish(event(channel="d")))
    assert api.get(LIST).json == {"channels": {"a": {}, "presence-b": {}, "private-c": {}}}


def test_users_are_no_channels():
    """The channel of a signed-in user is not listed."""
    api = Api()
    api.node.connect().sign_in("ann")
    assert api.get(LIST).json == {"channels": {}}


def test_a_channel_that_everybody_left_is_gone():
    """When the last subscriber leaves, the channel is listed no more."""
    api = Api()
    client = api.node.connect()
    client.subscribe("a")
    client.unsubscribe("a")
    assert api.get(LIST).json == {"channels": {}}


def test_apps_do_not_see_each_other():
    """An app's list has its own channels only."""
    other = App("2", "key2", "secret2")
    api = occupied("a", api=Api(APP, other))
    assert api.get("/apps/2/channels", app=other).json == {"channels": {}}


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("presence-", {"presence-b"}),
        ("", {"a", "presence-b"}),
        ("a", {"a"}),
        ("A", set()),
        ("*", set()),
    ],
)
def test_channels_can_be_chosen_by_prefix(prefix, names):
    """filter_by_prefix is the literal beginning of the names."""
    channels = occupied("a", "presence-b").get(LIST, {"filter_by_prefix": prefix}).json["channels"]
    assert channels.keys() == names


def test_counts_in_the_list():
    """Distinct users of presence channels, and subscriptions of all, where info asks for them."""
    api = occupied("presence-b", "presence-b", "a")
    info = {"info": "user_count", "filter_by_prefix": "presence-"}
    assert api.get(LIST, info).json == {"channels": {"presence-b": {"user_count": 1}}}
    assert api.get(LIST, {"info": "subscription_count,nonsense"}).json == {
        "channels": {"presence-b": {"subscription_count": 2}, "a": {"subscription_count": 1}}
    }


@pytest.mark.parametrize("prefix", ["", "a", "presence"])
def test_users_are_counted_on_presence_channels_only(prefix):
    """user_count needs a prefix of presence channels, whatever is occupied."""
    response = Api().get(LIST, {"info": "user_count", "filter_by_prefix": prefix})
    assert response.status == 400
    assert "filter_by_prefix" in response.error


# One channel


def test_a_vacant_channel_is_no_error():
    """A channel that nobody is on is answered as not occupied, with zeros where info asks."""
    assert Api().get(f"{LIST}/a").json == {"occupied": False}
    response = Api().get(f"{LIST}/presence-a", {"info": "user_count,subscription_count"})
    assert response.json == {"occupied": False, "user_count": 0, "subscription_count": 0}


def test_an_occupied_channel():
    """Without info, a channel tells only that it is occupied."""
    assert occupied("a").get(f"{LIST}/a").json == {"occupied": True}


def test_counts_of_a_channel():
    """Subscriptions count connections, users count people."""
    api = occupied("presence-a", "presence-a", "b", "b")
    assert api.get(f"{LIST}/presence-a", {"info": "user_count,subscription_count"}).json == {
        "occupied": True,
        "user_count": 1,
        "subscription_count": 2,
    }
    assert api.get(f"{LIST}/b", {"info": "subscription_count"}).json == {
        "occupied": True,
        "subscription_count": 2,
    }


def test_the_last_event_of_a_cache_channel():
    """With info=cache, a cache channel tells its last event and how long it is kept; null when there is none."""
    api = Api()
    path = f"{LIST}/private-cache-a"
    assert api.get(path, {"info": "cache"}).json == {"occupied": False, "cache": None}
    api.fast_lane().ask(publish(event(channel="private-cache-a", data='{"a":1}')))
    api.clock.advance(60)
    answer = {"occupied": False, "cache": {"data": '{"a":1}', "ttl": 3540}}
    assert api.get(path, {"info": "cache"}).json == answer
    api.clock.advance(3600)
    assert api.get(path, {"info": "cache"}).json == {"occupied": False, "cache": None}


@pytest.mark.parametrize(
    ("channel", "info"),
    [("a", "user_count"), ("private-a", "user_count"), ("a", "cache"), ("presence-a", "cache")],
)
def test_what_a_channel_does_not_have(channel, info):
    """An attribute that such a channel does not have is refused."""
    response = Api().get(f"{LIST}/{channel}", {"info": info})
    assert response.status == 400
    assert response.error.startswith("info: ")


@pytest.mark.parametrize("channel", ["a b", "x" * 201, "é", "a%"])
def test_a_channel_name_has_to_be_valid(channel):
    """A name that no channel can have is refused."""
    for below in ("", "/users"):
        response = Api().get(f"{LIST}/{quote(channel, safe='')}{below}")
        assert response.status == 400
        assert "channel name" in response.error


def test_a_users_channel_can_be_asked_for():
    """The channel of a signed-in user is a channel whose name has to be encoded; nobody subscribes to it."""
    assert Api().get(f"{LIST}/%23server-to-user-ann").json == {"occupied": False}


# Users


def test_users_of_a_presence_channel():
    """Everybody is listed once, by id as text, however many connections they have."""
    api = Api()
    for user in ("ann", "bob", "ann", 7):
        api.node.connect().subscribe("presence-a", user)
    users = api.get(f"{LIST}/presence-a/users").json["users"]
    assert sorted(user["id"] for user in users) == ["7", "ann", "bob"]
    assert all(user.keys() == {"id"} for user in users)


def test_users_of_a_vacant_channel():
    """A presence channel that nobody is on has no users."""
    assert Api().get(f"{LIST}/presence-a/users").body == b'{"users":[]}'


@pytest.mark.parametrize("channel", ["a", "private-a", "cache-a"])
def test_only_presence_channels_have_users(channel):
    """Asking others for users is refused."""
    response = Api().get(f"{LIST}/{channel}/users")
    assert (response.status, response.error) == (400, "The channel must be a presence channel")


# A cluster


def test_questions_are_about_the_whole_cluster():
    """Connections of other nodes count, and somebody on two nodes is one user."""
    one, two = cluster(2)
    for node, user in ((one, "ann"), (two, "ann"), (two, "bob")):
        node.connect().subscribe("presence-a", user)
    api = Api(adapter=one.adapter)
    assert isinstance(api.node, Node)
    info = {"info": "user_count,subscription_count", "filter_by_prefix": "presence-"}
    counts = {"user_count": 2, "subscription_count": 3}
    assert api.get(LIST, info).json == {"channels": {"presence-a": counts}}
    assert api.get(f"{LIST}/presence-a", info).json == {"occupied": True, **counts}
    assert len(api.get(f"{LIST}/presence-a/users").json["users"]) == 2
