"""How an application uses the embedding API, for mypy: it is checked as this stands, and never run."""

from collections.abc import Callable, Iterable, Sequence

from twisted.application.service import Application
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from txpusher.config import Config
from txpusher.errors import ApiError, ConfigError
from txpusher.interfaces import AppStore, ChangingAppStore, Health
from txpusher.model import App, Counts, Event, Limits, PresenceMember
from txpusher.service import PusherService

application = Application("typed")

shop = App(
    id="1001",
    key="key",
    secret="secret",
    client_events=True,
    allowed_origins=("https://shop.example.com",),
    limits=Limits(max_connections=1000, max_event_size=10 * 1024),
)

try:
    config = Config(
        listen=("tcp:6001", "unix:/run/txpusher.sock"),
        metrics=None,
        app_list=(shop,),
        path_prefix="/ws",
        drain=2.5,
        max_connections=None,
        cors_origins=("https://admin.example.com",),
        eager_send=False,
    )
except ConfigError as problem:
    setting: str = problem.setting
    raise

pusher = PusherService(config, Clock())
pusher.setServiceParent(application)


async def order_shipped(number: int) -> None:
    await pusher.publish(
        shop.id,
        Event("shipped", ("orders",), str(number)),
        Event("shipped", ("private-dispatch", "cache-last"), str(number), socket_id="123.456"),
    )


async def look_around() -> tuple[int, int]:
    channels: dict[str, Counts] = await pusher.channels(shop.id, "presence-")
    (orders,) = await pusher.counts(shop.id, ["orders"])
    members: Sequence[PresenceMember] = await pusher.members(shop.id, "presence-shop")
    names: list[str] = [member.user_id for member in members]
    await pusher.terminate(shop.id, names[0])
    return len(channels), orders.subscriptions + orders.users


def without_a_coroutine() -> Deferred[None]:
    published: Deferred[None] = pusher.publish(shop.id, Event("e", ("c",), "{}"))
    published.addErrback(lambda failure: failure.trap(ApiError))
    return published


def read_the_apps_again() -> Deferred[None]:
    return pusher.reload()


def when_it_stops() -> Deferred[None]:
    where: list[str] = pusher.addresses()
    assert where
    return pusher.stopService()


class OneApp:
    """An app store of one's own."""

    async def by_key(self, key: str) -> App | None:
        return shop if key == shop.key else None

    async def by_id(self, app_id: str) -> App | None:
        return shop if app_id == shop.id else None

    async def all(self) -> Sequence[App]:
        return [shop]


def create(url: str, reactor: object, defaults: Limits) -> AppStore:
    return OneApp()


class ManyApps(OneApp):
    """One whose apps change."""

    async def start(
        self,
        check: Callable[[Iterable[App]], None],
        changed: Callable[[str, App | None], None],
        reloaded: Callable[[bool], None],
    ) -> None:
        check([shop])
        changed(shop.id, shop)
        reloaded(True)

    async def stop(self) -> None:
        pass

    async def reload(self) -> None:
        pass

    def health(self) -> Health:
        return Health()


changing: ChangingAppStore = ManyApps()
