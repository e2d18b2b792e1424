# A Twisted application with a realtime server inside, which publishes from the same process without HTTP.
#
#     twistd -n --pidfile= -y examples/embedded.tac
#
# It listens on 127.0.0.1, on port 6001 or the one in the environment variable PORT. Subscribe to the public channel
# "clock" of the app with the key "embedded-key" to see an event each second.

import json
import os
import time

from twisted.application.internet import TimerService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from txpusher.config import Config
from txpusher.model import App, Event
from txpusher.service import PusherService

application = Application("embedded")

config = Config(
    listen=(f"tcp:{os.environ.get('PORT', '6001')}:interface=127.0.0.1",),
    metrics=None,
    # A real application reads its secret from where only it can.
    app_list=(App(id="1001", key="embedded-key", secret="embedded-secret", client_events=True),),
)
pusher = PusherService(config, reactor)
pusher.setServiceParent(application)


async def tick() -> None:
    """Publish the time, and tell how many are listening."""
    (clock,) = await pusher.counts("1001", ["clock"])
    data = json.dumps({"time": time.strftime("%H:%M:%S"), "listeners": clock.subscriptions})
    await pusher.publish("1001", Event("tick", ("clock",), data))


# A TimerService is a LoopingCall that starts and stops with the application.
TimerService(1, lambda: Deferred.fromCoroutine(tick())).setServiceParent(application)
