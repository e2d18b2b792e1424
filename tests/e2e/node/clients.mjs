// pusher-js, Laravel Echo, the server SDK and plain sockets in one process, each as an application would use it.

import { connect, createServer } from "node:net";

import Echo from "laravel-echo";
import Server from "pusher";
import Pusher from "pusher-js";
import WebSocket from "ws";

import { serve, tell } from "./rpc.mjs";

const ABOUT_CHANNELS = [
  "pusher:subscription_succeeded",
  "pusher:subscription_error",
  "pusher:subscription_count",
  "pusher:member_added",
  "pusher:member_removed",
  "pusher:cache_miss",
];

const clients = {};
const echoes = {};
const sockets = {};
let sdk;

// The options of every guide for self-hosted servers.
const connection = (port) => ({
  cluster: "self-hosted",
  wsHost: "127.0.0.1",
  wsPort: port,
  forceTLS: false,
  enabledTransports: ["ws"],
});

function watch(name, pusher) {
  pusher.connection.bind("state_change", ({ current }) => tell({ client: name, state: current }));
  pusher.connection.bind("error", (error) => {
    const data = error.data ?? error.error?.data;
    tell({ client: name, problem: data?.message ?? String(error.error ?? error), code: data?.code ?? null });
  });
  pusher.bind_global((event, data) => tell({ client: name, heard: event, data: data ?? null }));
}

// Signs with the server SDK, as the application's own server would.
const authorizing = (member) => (({ channelName, socketId }, done) => {
  try {
    done(null, sdk.authorizeChannel(socketId, channelName, member));
  } catch (error) {
    done(error, null);
  }
});

const authenticating = (user) => (({ socketId }, done) => done(null, sdk.authenticateUser(socketId, user)));

function subscribe({ client, channel, events = [] }) {
  const subscribed = clients[client].subscribe(channel);
  for (const event of [...ABOUT_CHANNELS, ...events]) {
    subscribed.unbind(event);
    subscribed.bind(event, (data, metadata) => {
      tell({ client, channel, event, data: data ?? null, from: metadata?.user_id ?? null });
    });
  }
}

// A load balancer with one server behind it at a time.
const behind = { port: 0 };
const balancer = createServer((from) => {
  const to = connect(behind.port, "127.0.0.1");
  for (const [one, other] of [[from, to], [to, from]]) {
    one.pipe(other);
    one.on("error", () => other.destroy());
  }
});

const channelOf = ({ client, channel }) => clients[client].channel(channel);

await serve({
  // The server SDK.
  sdk({ appId, key, secret, port, masterKey }) {
    sdk = new Server({
      appId,
      key,
      secret,
      host: "127.0.0.1",
      port: String(port),
      useTLS: false,
      encryptionMasterKeyBase64: masterKey,
    });
  },
  async call({ method, args }) {
    const response = await sdk[method](...args);
    return response?.json ? { status: response.status, body: await response.json() } : response;
  },
  // Headers as Node's HTTP server gives them to an application: in lower case.
  webhook({ headers, rawBody }) {
    const webhook = sdk.webhook({ headers, rawBody });
    return { valid: webhook.isValid(), time: webhook.getTime().getTime(), events: webhook.getEvents() };
  },

  // pusher-js.
  connect({ client, key, port, member, user, wrongSecret, options = {} }) {
    const handler = wrongSecret
      ? ({}, done) => done(null, { auth: `${key}:${"0".repeat(64)}` })
      : authorizing(member);
    const pusher = new Pusher(key, {
      ...connection(port),
      channelAuthorization: { customHandler: handler },
      userAuthentication: { customHandler: authenticating(user) },
      ...options,
    });
    clients[client] = pusher;
    watch(client, pusher);
  },
  socketId: ({ client }) => clients[client].connection.socket_id,
  state: ({ client }) => clients[client].connection.state,
  disconnect({ client }) {
    clients[client].disconnect();
  },
  subscribe,
  unsubscribe({ client, channel }) {
    clients[client].unsubscribe(channel);
  },
  // All at once, as a component that cannot make up its mind.
  change({ steps, ...fields }) {
    for (const step of steps) {
      if (step === "s") subscribe(fields);
      else clients[fields.client].unsubscribe(fields.channel);
    }
  },
  trigger: ({ client, channel, event, data }) => channelOf({ client, channel }).trigger(event, data),
  // Past the checks of Channel.trigger, as pusher-js's own integration tests do it.
  sendEvent: ({ client, channel, event, data }) => clients[client].send_event(event, data, channel),
  channel(fields) {
    const { subscribed, subscriptionPending, subscriptionCount } = channelOf(fields);
    return { subscribed, subscriptionPending, subscriptionCount: subscriptionCount ?? null };
  },
  members(fields) {
    const { members } = channelOf(fields);
    const all = {};
    members.each(({ id, info }) => (all[id] = info));
    return { me: members.me, count: members.count, all, missing: members.get("nobody") };
  },
  signin({ client, events = [] }) {
    const { user } = clients[client];
    for (const event of events) user.bind(event, (data) => tell({ client, user: event, data }));
    user.signin();
  },
  watch({ client }) {
    for (const name of ["online", "offline"]) {
      clients[client].user.watchlist.bind(name, ({ user_ids }) => tell({ client, watchlist: name, users: user_ids }));
    }
  },
  async signedIn({ client }) {
    await clients[client].user.signinDonePromise;
    return clients[client].user.user_data;
  },

  // The load balancer.
  balance: ({ port }) =>
    new Promise((done) => {
      behind.port = port;
      balancer.listening ? done() : balancer.listen(0, "127.0.0.1", () => done(balancer.address().port));
    }),

  // Laravel Echo.
  echo({ client, key, port, authEndpoint }) {
    const echo = new Echo({
      broadcaster: "pusher",
      Pusher,
      key,
      ...connection(port),
      authEndpoint,
    });
    echoes[client] = echo;
    watch(client, echo.connector.pusher);
  },
  echoListen({ client, channel, kind, events }) {
    const listening = echoes[client][kind](channel);
    const on = (event) => (data) => tell({ client, channel, event, data: data ?? null });
    for (const event of events) listening.listen(event, on(event));
    listening.subscribed(on("subscribed")).error(on("error"));
  },
  echoJoin({ client, channel, whispers = [] }) {
    const joined = echoes[client].join(channel);
    const on = (event) => (data) => tell({ client, channel, event, data: data ?? null });
    joined.here(on("here")).joining(on("joining")).leaving(on("leaving")).error(on("error"));
    for (const whisper of whispers) joined.listenForWhisper(whisper, on(`whisper ${whisper}`));
  },
  echoWhisper({ client, channel, event, data }) {
    echoes[client].join(channel).whisper(event, data);
  },
  echoLeave({ client, channel }) {
    echoes[client].leave(channel);
  },
  echoSocketId: ({ client }) => echoes[client].socketId(),

  // ws: a socket that compresses what it sends.
  open({ client, url, options = {} }) {
    const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0, ...options } });
    sockets[client] = socket;
    socket.on("upgrade", ({ headers }) => tell({ client, agreed: headers["sec-websocket-extensions"] ?? null }));
    socket.on("message", (text) => tell({ client, message: JSON.parse(text) }));
    socket.on("close", (code) => tell({ client, closed: code }));
    socket.on("error", (error) => tell({ client, problem: String(error) }));
  },
  send: ({ client, message }) => sockets[client].send(JSON.stringify(message)),
});
