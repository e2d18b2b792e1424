"""Who may call: signatures, clocks, digests and paths, by both ways in."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import APP
from tests.wire_doubles import NOW, Api, event, http, publish, signature, signed
from txpusher.http import authentication
from txpusher.model import App

DOCS = App("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
PATH = "/apps/1/events"


def post(target, body=None, headers=None):
    return http("POST", target, event() if body is None else body, headers)


def params(**more):
    return {"auth_key": "key", "auth_timestamp": str(NOW), "auth_version": "1.0", **more}


def unauthorized(response):
    assert response.status == 401
    return response.error


# The printed examples


def test_the_request_that_the_documentation_prints(way):
    """The worked example of Pusher's documentation is accepted, to the letter."""
    api = Api(DOCS)
    body = b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}'
    target = (
        "/apps/3/events?auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0"
        "&body_md5=ec365a775a4cd0599faeb73354201b6f"
        "&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
    )
    client = api.node.connect(DOCS)
    client.subscribe("project-3")
    assert way.ask(api, post(target, body)).body == b"{}"
    assert client.wire[-1]["data"] == '{"some":"data"}'


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "auth_signature"),
    [
        (
            "GET",
            "/apps/3/channels",
            "filter_by_prefix=presence-&info=user_count",
            b"",
            "16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291",
        ),
        (
            "GET",
            "/apps/3/channels/presence-foobar",
            "info=user_count,subscription_count",
            b"",
            "377ee9260ea002a70c0d40cd887d55cb36db9f7f821297f5efacbcce66be356d",
        ),
        (
            "GET",
            "/apps/3/channels/presence-foobar",
            "info=user_count%2Csubscription_count",
            b"",
            "377ee9260ea002a70c0d40cd887d55cb36db9f7f821297f5efacbcce66be356d",
        ),
        (
            "GET",
            "/apps/3/channels/presence-foobar/users",
            f"body_md5={EMPTY_MD5}",
            b"",
            "3d68b512095fd42cb6741cc80616761b1c77d00fcc4d6d9740f09504a4b761b0",
        ),
        (
            "POST",
            "/apps/3/users/12345/terminate_connections",
            "body_md5=99914b932bd37a50b983c5e7c90ae93b",
            b"{}",
            "01fa634edeb0cae84115307cad5c23f65a46cd286461b1c89637a3b5871a8f0e",
        ),
        (
            "POST",
            "/apps/3/users/12345/terminate_connections",
            "",
            b"",
            "0bd2da4cd2c60cbe4627bea865cb306fda26121f3665d934db3e0f3f542a91f8",
        ),
        (
            "GET",
            "/apps/3/channels",
            "name=Something+else",
            b"",
            "e661e8bf75b3959cbeab2cee466c873b918e39bfd0980693aadf77d4da8ba77c",
        ),
        (
            "GET",
            "/apps/3/channels",
            "name=Something%20else",
            b"",
            "e661e8bf75b3959cbeab2cee466c873b918e39bfd0980693aadf77d4da8ba77c",
        ),
    ],
)
def test_signatures_as_official_libraries_make_them(method, path, query, body, auth_signature):
    """Requests signed by the official libraries are accepted, however they encode a comma or a space."""
    target = (
        f"{path}?auth_key={DOCS.key}&auth_timestamp={NOW}&auth_version=1.0&{query}"
        f"&auth_signature={auth_signature}"
    )
    assert Api(DOCS).klein().ask(http(method, target, body)).status == 200


# The app and its key


def test_an_unknown_app_is_not_found(way):
    """A path with the id of no app is answered 404."""
    response = way.ask(Api(), post(signed("POST", "/apps/2/events", event())))
    assert response.status == 404
    assert "'2'" in response.error


def test_the_key_has_to_be_that_of_the_app(way):
    """Another app's key does not open this app, though it signs correctly."""
    api = Api(APP, App("2", "key2", "secret2"))
    right = signed("POST", "/apps/2/events", event(), app=App("2", "key2", "secret2"))
    assert way.ask(api, post(right)).status == 200
    wrong = signed("POST", PATH, event(), app=App("2", "key2", "secret2"))
    assert "auth_key is not the key" in unauthorized(way.ask(api, post(wrong)))


def test_a_disabled_app_is_forbidden(way):
    """A switched-off app refuses calls with 403, but only those that its secret signed."""
    api = Api(App("1", "key", "secret", enabled=False))
    response = way.ask(api, publish(event()))
    assert (response.status, response.error) == (403, "This app is disabled")
    unauthorized(way.ask(api, post(signed("POST", PATH, event(), auth_signature="bad"))))


# Parameters


@pytest.mark.parametrize("name", ["auth_key", "auth_timestamp", "auth_version", "auth_signature"])
def test_a_missing_parameter_is_named(way, name):
    """Without one of the parameters, or with an empty one, a request is refused; the text says which."""
    api = Api()
    for value in (None, ""):
        response = way.ask(api, post(signed("POST", PATH, event(), **{name: value})))
        assert unauthorized(response) == f"{name} is missing"


def test_no_parameters_at_all(way):
    """A request without a query is refused."""
    assert unauthorized(way.ask(Api(), post(PATH))) == "auth_key is missing"
    assert unauthorized(way.ask(Api(), post(PATH + "?"))) == "auth_key is missing"


@pytest.mark.parametrize("version", ["2.0", "1", "1.0.0", "x"])
def test_only_version_one(way, version):
    """Another auth_version is refused."""
    response = way.ask(Api(), post(signed("POST", PATH, event(), auth_version=version)))
    assert unauthorized(response) == "auth_version must be 1.0"


def test_names_of_parameters_may_be_in_upper_case(way):
    """Names are signed in lower case, however they are written."""
    target = (
        signed("POST", PATH, event())
        .replace("auth_key", "AUTH_KEY")
        .replace("body_md5", "Body_MD5")
    )
    assert way.ask(Api(), post(target)).status == 200


def test_parameters_may_come_in_any_order(way):
    """The order of the parameters in the URL does not matter."""
    path, _, query = signed("POST", PATH, event(), {"zzz": "1", "aaa": ""}).partition("?")
    backwards = "&".join(reversed(query.split("&")))
    assert way.ask(Api(), post(f"{path}?{backwards}")).status == 200


WRONG = {
    "all is well": {},
    "another key": {"auth_key": "other"},
    "too old": {"auth_timestamp": str(NOW - 601)},
    "too new": {"auth_timestamp": str(NOW + 601)},
    "another digest": {"body_md5": EMPTY_MD5},
    "another signature": {"auth_signature": "0" * 64},
    "no digest": {"body_md5": None},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("enabled", [True, False])
def test_the_usual_order_is_judged_as_any_other(way, wrong, enabled):
    """Requests in the order that SDKs send go a shorter way, with the same answers."""
    api = Api(App("1", "key", "secret", enabled=enabled))
    usual = signed("POST", PATH, event(), **wrong)
    path, _, query = usual.partition("?")
    other = f"{path}?{'&'.join(reversed(query.split('&')))}"
    one, another = (way.ask(api, post(target)) for target in (usual, other))
    assert (one.status, one.body) == (another.status, another.body)
    assert one.status == (401 if wrong else 200 if enabled else 403)


def test_what_sdks_send_goes_the_short_way(way, monkeypatch):
    """Nothing is taken apart when the parameters are in the usual order and all is well."""
    monkeypatch.setattr("txpusher.protocol.signatures.parse_query", None)
    assert way.ask(Api(), publish(event())).status == 200


def test_what_was_right_is_judged_anew(way):
    """The same request is refused when its time is over, and when its app has another secret."""
    api = Api()
    request = publish(event())
    assert way.ask(api, request).status == 200
    api.time += 601
    assert "Timestamp expired" in unauthorized(way.ask(api, request))
    rotated = Api(App("1", "key", "other"))
    assert "Invalid signature" in unauthorized(way.ask(rotated, request))


def test_what_the_signature_of_one_request_is_made_of_is_not_taken_for_another(way):
    """Requests of one second for other paths, or with other keys, are told apart."""
    target = signed("POST", PATH, event())
    assert way.ask(Api(), post(target)).status == 200
    for wrong in (target.replace("/events", "/batch_events"), target.replace("=key&", "=kex&")):
        unauthorized(way.ask(Api(), post(wrong)))


def test_the_method_is_signed():
    """A signature of a POST is none of a GET, whichever is asked first."""
    path, query = "/apps/1/channels", params(body_md5=EMPTY_MD5)
    client = Api().klein()
    for method, status in (("POST", 401), ("GET", 200), ("POST", 401)):
        written = "&".join(f"{name}={value}" for name, value in query.items())
        target = f"{path}?{written}&auth_signature={signature('secret', method, path, query)}"
        assert client.ask(http("GET", target)).status == status


def test_the_short_way_takes_constant_time(way, monkeypatch):
    """Its signatures are compared as all are."""
    compared = []
    monkeypatch.setattr(
        "txpusher.protocol.signatures.same", lambda *pair: compared.append(pair) or True
    )
    target = signed("POST", PATH, event(), auth_signature="guess")
    assert way.ask(Api(), post(target)).status == 200
    ((expected, given_text),) = compared
    assert given_text.endswith("&auth_signature=guess")
    assert len(expected) == len(given_text) - len("guess") + 64


def test_strangers_fill_no_memory(way):
    """Whatever is long, or nothing that an SDK sends, is not kept of a request before its signature is right."""
    kept = authentication._usual.cache_info
    authentication._usual.cache_clear()
    way.ask(Api(), publish(event()))
    assert kept().currsize == 1
    assert 0 < kept().maxsize <= 256
    for target in (
        PATH + "?" + "x" * 600 + "&body_md5=1&auth_signature=2",
        "/apps/1/" + "x" * 600 + "?auth_key=key&body_md5=1&auth_signature=2",
        PATH + "?auth_key=key&auth_signature=2",
    ):
        Api().klein().ask(post(target))
    assert kept().currsize == 1


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.text(max_size=8)))
def test_further_parameters_are_signed_unescaped(further):
    """Any further parameters are fine, as long as they are signed as they are meant, not as they are written."""
    further = {name: value.encode(errors="replace").decode() for name, value in further.items()}
    for way in ("fast_lane", "klein"):
        assert Api().by(way).ask(publish(event(), params=further)).status == 200


# The clock


@pytest.mark.parametrize("way_off", [600, -600, 500, -500, 0])
def test_clocks_may_differ_by_ten_minutes(way, way_off):
    """A timestamp may be up to 600 seconds before or after the server's time."""
    target = signed("POST", PATH, event(), auth_timestamp=str(NOW + way_off))
    assert way.ask(Api(), post(target)).status == 200


@pytest.mark.parametrize("way_off", [601, -601, 10**9])
def test_clocks_may_not_differ_by_more(way, way_off):
    """A timestamp further off is refused; the text gives both times, so that people find the wrong clock."""
    target = signed("POST", PATH, event(), auth_timestamp=str(NOW + way_off))
    text = unauthorized(way.ask(Api(), post(target)))
    assert str(NOW + way_off) in text
    assert str(NOW) in text
    assert "600s" in text


@pytest.mark.parametrize(
    "timestamp", ["x", "1353088179.5", "-1", "+1353088179", "1 353088179", "٣", "²", "9" * 5000]
)
def test_a_timestamp_is_a_number(way, timestamp):
    """A timestamp that is no whole number is refused, not a bug."""
    response = way.ask(Api(), post(signed("POST", PATH, event(), auth_timestamp=timestamp)))
    assert unauthorized(response) == "auth_timestamp must be a whole number of seconds since 1970"


# The body


def test_the_digest_has_to_be_that_of_the_body(way):
    """A body that was changed on the way is refused."""
    target = signed("POST", PATH, event(data="other"))
    assert unauthorized(way.ask(Api(), post(target))) == "body_md5 is not the MD5 of the body"
    target = signed("POST", PATH, event(), body_md5="é")
    assert unauthorized(way.ask(Api(), post(target))) == "body_md5 is not the MD5 of the body"


def test_a_body_needs_a_digest(way):
    """A body without body_md5 is refused: nothing would sign it."""
    target = signed("POST", PATH, event(), body_md5=None)
    assert unauthorized(way.ask(Api(), post(target))) == "body_md5 is missing"


def test_without_a_body_no_digest_is_needed(way):
    """An empty body may come without body_md5 or with the digest of nothing, but with no other."""
    for target in (signed("POST", PATH), signed("POST", PATH, body_md5=EMPTY_MD5)):
        assert way.ask(Api(), post(target, b"")).status == 400, "signed all right, and no JSON"
    for digest in ("99914b932bd37a50b983c5e7c90ae93b", ""):
        target = signed("POST", PATH, body_md5=digest)
        assert (
            unauthorized(way.ask(Api(), post(target, b""))) == "body_md5 is not the MD5 of the body"
        )


def test_queries_may_carry_the_digest_of_nothing():
    """The Python library sends the digest of an empty body with every GET."""
    api = Api()
    assert api.get("/apps/1/channels", body_md5=EMPTY_MD5).status == 200
    assert api.get("/apps/1/channels").status == 200


# The signature


def test_a_wrong_signature_publishes_nothing(way):
    """A request with a wrong signature is refused, and the text says what should have been signed, not the secret."""
    api = Api()
    client = api.node.connect()
    client.subscribe("news")
    client.wire.clear()
    text = unauthorized(way.ask(api, post(signed("POST", PATH, event(), auth_signature="0" * 64))))
    assert text.startswith("Invalid signature: expected ")
    assert (
        "POST\n/apps/1/events\nauth_key=key&auth_timestamp=1353088179&auth_version=1.0&body_md5="
        in text
    )
    assert "auth_signature" not in text
    assert "secret" not in text.replace("the app's secret", "")
    assert not client.wire


@pytest.mark.parametrize("given_signature", ["é", "\ud800", "\x00", "A" * 10000])
def test_strange_signatures_are_wrong_signatures(way, given_signature):
    """Whatever is sent as a signature is compared, never a bug."""
    given_signature = given_signature.encode(errors="surrogatepass").decode(errors="replace")
    target = signed("POST", PATH, event(), auth_signature=given_signature)
    unauthorized(way.ask(Api(), post(target)))


def test_the_secret_decides(way):
    """A signature made with another secret is refused."""
    unauthorized(way.ask(Api(), post(signed("POST", PATH, event(), app=App("1", "key", "guess")))))


def test_a_signature_in_upper_case_is_another_one(way):
    """The hex digest is compared as it is: official libraries write lower case."""
    upper = signature(
        "secret", "POST", PATH, params(body_md5="c8fa9b618f8c895b33c4372e9061c187")
    ).upper()
    unauthorized(way.ask(Api(), post(signed("POST", PATH, event(), auth_signature=upper))))


# Paths and proxies


def test_a_prefix_that_a_proxy_strips(way):
    """With --path-prefix, a request may be signed with the prefix that the proxy took away."""
    request = post(signed("POST", PATH, event(), as_path="/ws/apps/1/events"))
    assert way.ask(Api(path_prefix="/ws"), request).status == 200
    unauthorized(way.ask(Api(), request))


def test_a_prefix_that_a_proxy_adds(way):
    """With --path-prefix, a request may be signed without the prefix that the proxy put before it."""
    request = post(signed("POST", "/ws/apps/1/events", event(), as_path=PATH))
    assert way.ask(Api(path_prefix="/ws"), request).status == 200


def test_a_prefix_that_client_and_server_know(way):
    """With --path-prefix, requests with the prefix, and without it, verify as they came."""
    api = Api(path_prefix="/ws")
    assert way.ask(api, publish(event(), "/ws/apps/1/events")).status == 200
    assert way.ask(api, publish(event())).status == 200


def test_another_path_does_not_open_the_app(way):
    """With --path-prefix, a signature for yet another path is refused."""
    request = post(signed("POST", PATH, event(), as_path="/apps/1/batch_events"))
    text = unauthorized(way.ask(Api(path_prefix="/ws"), request))
    assert text.startswith("Invalid signature: expected")


@pytest.mark.parametrize(
    ("came_as", "made_for", "headers"),
    [
        (PATH, "/ws/apps/1/events", {"X-Original-URI": "/ws/apps/1/events?x=y"}),
        (PATH, "/ws/apps/1/events", {"X-Forwarded-Uri": "/ws/apps/1/events"}),
        (PATH, "/ws/apps/1/events", {"X-Rewrite-URL": "/ws/apps/1/events"}),
        (PATH, "/ws/apps/1/events", {"X-Original-URL": "/ws/apps/1/events"}),
        (PATH, "/ws/apps/1/events", {"X-Forwarded-Prefix": "/ws/"}),
        (PATH, "/apps/1/events/", {}),
    ],
)
def test_a_path_that_a_proxy_changed_is_recognized(way, came_as, made_for, headers):
    """A signature that would match with another likely path is refused with a text that says so."""
    request = post(signed("POST", came_as, event(), as_path=made_for), headers=headers)
    text = unauthorized(way.ask(Api(), request))
    assert f"it was made for the path {made_for} and the request came as {came_as}" in text
    assert "--path-prefix" in text


def test_a_path_below_the_prefix_that_nothing_matches(way):
    """Below the prefix, too, a wrong signature is refused with a text that says what should have been signed."""
    request = post(signed("POST", "/ws/apps/1/events", event(), as_path=PATH + "/"))
    text = unauthorized(way.ask(Api(path_prefix="/ws"), request))
    assert text.startswith("Invalid signature: expected ")
    assert "POST\n/ws/apps/1/events\n" in text


@pytest.mark.parametrize(
    ("came_as", "made_for"),
    [
        ("/apps/1/channels/a%40b", "/apps/1/channels/a@b"),
        ("/apps/1/channels/a@b", "/apps/1/channels/a%40b"),
        ("/apps/1/channels/a%20%C3%A9", "/apps/1/channels/a é"),
    ],
)
def test_a_path_that_was_encoded_on_the_way_is_recognized(came_as, made_for):
    """A path that came encoded and was signed decoded, or the other way round, is refused with a text that says so."""
    request = http("GET", signed("GET", came_as, as_path=made_for))
    text = unauthorized(Api().klein().ask(request))
    assert f"made for the path {made_for}" in text
    assert "percent-encode user ids" in text
    assert "--path-prefix" not in text


@given(st.text("abcXYZ019_-=@,.;", min_size=1, max_size=20), st.booleans())
def test_channels_in_paths_raw_and_encoded(channel, escaped):
    """The path is signed as it is sent, and the channel is found, raw or percent-encoded."""
    api = Api()
    api.node.connect().subscribe(channel)
    path = f"/apps/1/channels/{quote(channel, safe='') if escaped else channel}"
    assert api.get(path).json == {"occupied": True}
