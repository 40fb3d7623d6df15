//! What differs between servers: how a room is entered, how something is said, and what comes back.

/// What text is recognised by that this bench sent: the moment follows, in microseconds, as so many digits.
pub(crate) const MARK: &[u8] = b"wb:";
/// Digits of that moment.
pub(crate) const MARK_DIGITS: usize = 16;

/// What a server said that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Aside {
    /// The client is in the room.
    In,
    /// A message was taken.
    Taken,
    /// Something was not done.
    Refused(String),
    /// The client is to come back.
    ComeBack,
    /// It asks for this answer.
    Ping(&'static str),
    /// Nothing that matters here.
    Other,
}

/// A server's protocol, over text frames of WebSocket.
pub(crate) trait Adapter {
    /// The path and query of room `room`'s WebSocket.
    fn path(&self, room: usize) -> String;

    /// What a client sends first: frames in order. The last one's answer is [`Aside::In`].
    fn hello(&self, room: usize, speaks: bool) -> Vec<String>;

    /// A frame that says `text` in the first room. `number` is another each time.
    fn say(&self, number: u64, text: &str) -> String;

    /// Bytes of a message as everybody gets it, beside its text.
    fn around(&self) -> usize;

    /// What precedes the offset in a message.
    fn offset_key(&self) -> &'static [u8] {
        br#""offset":"#
    }

    /// Calls `aside` with everything in a frame that is no message, and gives the part that messages are looked for in.
    fn read<'a>(&self, frame: &'a [u8], aside: &mut dyn FnMut(Aside)) -> &'a [u8];
}
