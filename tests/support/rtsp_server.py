#!/usr/bin/python3
"""RTSP cameras for the tests, by an RTSP server that others wrote (gst-rtsp-server).

Each mount serves one clip in real time, undecoded. Every client gets its own media from the first
picture on, unless --shared. At the end of the clip the connection is closed, as by a camera that is
switched off. Prints `port N` once it listens and ends when its stdin closes, so that a test that
dies never leaves it behind.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstPbutils", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstPbutils, GstRtspServer  # noqa: E402

RAW = {".h264": "h264parse", ".264": "h264parse", ".h265": "h265parse", ".265": "h265parse", ".hevc": "h265parse"}
PAYLOADERS = {"video/x-h264": "h264parse ! rtph264pay", "video/x-h265": "h265parse ! rtph265pay"}
# What is still in the send queues when the end of the clip is seen.
DRAIN_MS = 500


def probe(path, entries):
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", entries, "-of", "csv=p=0", path]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.strip(" ,") for line in shown.stdout.splitlines() if line.strip(" ,")]


def containered(path, folder):
    """A raw stream has no times, and RTP needs them: put it into a container, undecoded. The place
    of a picture in display order comes from ffprobe's decoder."""
    parser = RAW.get(os.path.splitext(path)[1])
    if parser is None:
        return path
    numerator, denominator = probe(path, "stream=r_frame_rate")[0].split("/")
    tick = Gst.SECOND * int(denominator) // int(numerator)
    shown = [int(p) for p in probe(path, "frame=pkt_pos")]
    places = [shown.index(p) for p in sorted(shown)]
    delay = max(k - place for k, place in enumerate(places))
    out = os.path.join(folder, os.path.basename(path) + ".mp4")
    line = f'filesrc location="{path}" ! {parser} name=p ! qtmux ! filesink location="{out}"'
    pipeline = Gst.parse_launch(line)
    count = iter(enumerate(places))

    def stamp(_pad, info):
        k, place = next(count)
        buffer = info.get_buffer()
        buffer.dts, buffer.pts, buffer.duration = k * tick, (place + delay) * tick, tick
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("p").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, stamp)
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_bus().timed_pop_filtered(30 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    return out


def launch_line(path):
    """The pipeline of a clip: its first video stream, and its AAC audio if there is any."""
    info = GstPbutils.Discoverer.new(10 * Gst.SECOND).discover_uri(Gst.filename_to_uri(os.path.abspath(path)))
    video = info.get_video_streams()[0].get_caps().get_structure(0).get_name()
    audio = [a.get_caps().get_structure(0) for a in info.get_audio_streams()]
    aac = any(a.get_name() == "audio/mpeg" and a.get_value("mpegversion") == 4 for a in audio)
    demux = "matroskademux" if path.endswith(".mkv") else "qtdemux"
    pay = f"{PAYLOADERS[video]} name=pay0 pt=96 config-interval=-1"
    line = f'filesrc location="{path}" ! {demux} name=d d.video_0 ! queue ! {pay}'
    if aac:
        line += " d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97"
    return f"( {line} )"


class Camera(GstRtspServer.RTSPMediaFactory):
    """A clip as a camera."""

    def __init__(self, path, loop, shared):
        super().__init__()
        self.loop = loop
        self.set_launch(launch_line(path))
        self.set_shared(shared)
        self.connect("media-configure", self.on_media)

    def on_media(self, _factory, media):
        media.ended = False
        pad = media.get_element().get_by_name("pay0").get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self.on_event, media)

    def on_event(self, _pad, info, media):
        if info.get_event().type != Gst.EventType.EOS:
            return Gst.PadProbeReturn.OK
        if not self.loop:
            media.ended = True
            return Gst.PadProbeReturn.OK
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT
        GLib.idle_add(lambda: media.get_element().seek_simple(Gst.Format.TIME, flags, 0) and False)
        return Gst.PadProbeReturn.DROP


def close_at_end(_server, client):
    """gst-rtsp-server keeps the connection open after the end of a clip; close it."""

    def on_play(_client, context):
        media = context.media

        def watch():
            if media.ended:
                GLib.timeout_add(DRAIN_MS, lambda: client.close() and False)
            return not media.ended

        GLib.timeout_add(100, watch)

    client.connect("play-request", on_play)


def guard(server, factories, user, password, scheme):
    """Let only `user` in, by Basic or Digest (RFC 2617)."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(2 if scheme == "digest" else 1)  # GstRTSPAuthMethod
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    if scheme == "digest":
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    for factory in factories:
        factory.add_role_from_structure(role(user))
    server.set_auth(auth)
    return auth


def role(user):
    return Gst.Structure.from_string(
        f"{user}, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    )[0]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="0")
    parser.add_argument("--mount", action="append", required=True, metavar="/NAME=FILE")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--auth", choices=["basic", "digest"], default="digest")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    return parser.parse_args()


def main():
    args = arguments()
    Gst.init(None)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), loop.quit()), daemon=True).start()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(args.port)
    with tempfile.TemporaryDirectory() as folder:
        factories = []
        for mount in args.mount:
            name, path = mount.split("=", 1)
            factories.append(Camera(containered(path, folder), args.loop, args.shared))
            server.get_mount_points().add_factory(name, factories[-1])
        if args.user:
            guard(server, factories, args.user, args.password, args.auth)
        if args.tls:
            auth = server.get_auth() or GstRtspServer.RTSPAuth()
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*args.tls))
            if not args.user:
                token = GstRtspServer.RTSPToken()
                token.set_string("media.factory.role", "anonymous")
                auth.set_default_token(token)
                for factory in factories:
                    factory.add_role_from_structure(role("anonymous"))
            server.set_auth(auth)
        server.connect("client-connected", close_at_end)
        if server.attach(None) == 0:
            sys.exit(f"cannot listen on port {args.port}")
        print(f"port {server.get_bound_port()}", flush=True)
        loop.run()


if __name__ == "__main__":
    main()
