"""What WHIP and WHEP share: an offer posted, its answer taken, a session deleted."""

import asyncio
import urllib.error
import urllib.parse
import urllib.request

from aiortc import RTCSessionDescription


def _request(method, url, headers, body=None):
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method}: {error.code} {error.read().decode()}") from error


async def open_session(peer, url, token=None):
    """Gives the session's URL."""
    await peer.setLocalDescription(await peer.createOffer())
    headers = {"content-type": "application/sdp"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    offer = peer.localDescription.sdp.encode()
    told, answer = await asyncio.to_thread(_request, "POST", url, headers, offer)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    return urllib.parse.urljoin(url, told["location"])


async def close_session(peer, session):
    await asyncio.to_thread(_request, "DELETE", session, {})
    await peer.close()
