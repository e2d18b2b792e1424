"""Ending the connections of a user."""

import pytest

from tests.doubles import APP
from tests.wire_doubles import Api, http, publish, signed
from txpusher.model import App


def signed_in(api, *users, app=APP):
    clients = []
    for user in users:
        client = api.node.connect(app)
        client.sign_in(user)
        clients.append(client)
    return clients


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_all_connections_of_a_user_end(body):
    """Everybody who is signed in as this user is disconnected with 4009, and nobody else."""
    api = Api()
    ann, bob, ann_too = signed_in(api, "ann", "bob", "ann")
    response = api.post("/apps/1/users/ann/terminate_connections", body)
    assert (response.status, response.body) == (200, b"{}")
    assert ann.wire.closed == ann_too.wire.closed == (4009, "You got disconnected by the app.")
    assert bob.wire.closed is None


def test_an_unknown_user_is_no_error():
    """A user who is not connected is disconnected already."""
    assert Api().post("/apps/1/users/nobody/terminate_connections").body == b"{}"


@pytest.mark.parametrize(
    ("user", "written"),
    [
        ("a b", "a%20b"),
        ("a@b", "a@b"),
        ("a@b", "a%40b"),
        ("google-oauth2/1", "google-oauth2%2F1"),
        ("google-oauth2/1", "google-oauth2/1"),
        ("é%20", "%C3%A9%2520"),
        ("a#b?c", "a%23b%3Fc"),
        ("/api/users/7", "%2Fapi%2Fusers%2F7"),
        ("/api/users/7", "/api/users/7"),
        ("a/", "a%2F"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_user_ids_are_decoded_once(user, written):
    """Any user id can be named in the path, percent-encoded or, as some libraries do, as it is."""
    api = Api()
    (client,) = signed_in(api, user)
    assert api.post(f"/apps/1/users/{written}/terminate_connections").status == 200
    assert client.wire.closed is not None
    (client,) = signed_in(api, user)
    assert api.post(f"/users/{written}/terminate_connections").status == 200
    assert client.wire.closed is not None


def test_there_is_no_user_without_an_id():
    """Nobody's connections are not ended."""
    assert Api().post("/apps/1/users//terminate_connections").status == 404


def test_the_path_of_the_python_library():
    """The official Python library forgets /apps/{id}: the app is found by its key."""
    other = App("2", "key2", "secret2")
    api = Api(APP, other)
    (ann,) = signed_in(api, "ann")
    (other_ann,) = signed_in(api, "ann", app=other)
    path = "/users/ann/terminate_connections"
    assert api.post(path, app=other).status == 200
    assert (ann.wire.closed is None, other_ann.wire.closed is None) == (True, False)


@pytest.mark.parametrize("key", ["nobody", "", None])
def test_without_an_app_id_the_key_has_to_be_known(key):
    """Without /apps/{id} and with an unknown key there is no app to be found."""
    response = Api().post("/users/ann/terminate_connections", auth_key=key)
    assert (response.status, response.error) == (404, "There is no app with this auth_key")


def test_it_has_to_be_signed():
    """Nobody without the secret ends connections, by either path."""
    api = Api()
    (ann,) = signed_in(api, "ann")
    for path in ("/users/ann/terminate_connections", "/apps/1/users/ann/terminate_connections"):
        target = signed("POST", path, auth_signature="bad")
        assert api.klein().ask(http("POST", target)).status == 401
    assert ann.wire.closed is None


def test_on_the_public_port():
    """The port that everybody comes by takes it, too: it begins with POST and is no publish."""
    api = Api()
    (ann,) = signed_in(api, "ann")
    response = api.public_port().ask(publish(b"{}", "/apps/1/users/ann/terminate_connections"))
    assert response.status == 200
    assert ann.wire.closed is not None
