"""publish.py URL TOKEN FILE CODEC: publishes a file's picture and sound, coded anew as CODEC (H264, VP8) and Opus.

Prints its connection's states. Ends the session when standard input ends.
"""

import asyncio
import sys

from aiortc import RTCPeerConnection, RTCRtpSender
from aiortc.contrib.media import MediaPlayer

from session import close_session, open_session


async def main(url, token, file, codec):
    peer = RTCPeerConnection()
    peer.on("connectionstatechange", lambda: print(peer.connectionState, flush=True))
    player = MediaPlayer(file, loop=True)
    pictures = peer.addTransceiver(player.video, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    pictures.setCodecPreferences([it for it in known if it.mimeType in (f"video/{codec}", "video/rtx")])
    peer.addTransceiver(player.audio, direction="sendonly")
    session = await open_session(peer, url, token)
    await asyncio.to_thread(sys.stdin.read)
    await close_session(peer, session)


asyncio.run(main(*sys.argv[1:]))
