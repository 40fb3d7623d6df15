"""watch.py URL PICTURES: watches until so many pictures and as many pieces of sound were decoded; prints what came as JSON."""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection

from session import close_session, open_session


async def main(url, enough):
    peer = RTCPeerConnection()
    kinds = [peer.addTransceiver(kind, direction="recvonly") for kind in ("video", "audio")]
    session = await open_session(peer, url)
    tracks = [kind.receiver.track for kind in kinds]
    seen = {}

    async def receive(track):
        for _ in range(int(enough)):
            frame = await track.recv()
        seen[track.kind] = (
            {"width": frame.width, "height": frame.height, "format": frame.format.name}
            if track.kind == "video"
            else {"rate": frame.sample_rate, "layout": frame.layout.name}
        )

    await asyncio.gather(*map(receive, tracks))
    await close_session(peer, session)
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
