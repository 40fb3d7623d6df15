//! Why a picture is not taken, or was not looked at.

/// Why a picture is not taken. Its sentence is for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none of the formats that are taken.
    #[error("this is no PNG, JPEG, GIF or WebP")]
    NotAPicture,
    /// It cannot be decoded.
    #[error("the picture is damaged")]
    Damaged,
    /// It has more pixels than are looked at.
    #[error(
        "the picture is too large: at most 4096 pixels across and down, and for a moving one 256 million in all frames"
    )]
    TooLarge,
    /// It has more frames than are looked at.
    #[error("the picture has too many frames: at most 200")]
    TooManyFrames,
    /// It goes on for longer than anybody looks at an emote.
    #[error("the picture moves for too long: at most 30 s")]
    TooLong,
    /// However small it is made, it takes too many bytes.
    #[error("there is too much in this picture: take fewer frames, or calmer ones")]
    TooMuch,
}

impl Refused {
    const ALL: [Self; 6] =
        [Self::NotAPicture, Self::Damaged, Self::TooLarge, Self::TooManyFrames, Self::TooLong, Self::TooMuch];

    /// What a worker writes for it.
    pub(crate) fn code(self) -> u8 {
        Self::ALL.iter().position(|other| *other == self).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
    }

    /// Reads what [`Self::code`] wrote.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It is not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Others are looked at: try again soon.
    #[error("too many pictures are looked at right now")]
    Busy,
    /// No process could be started.
    #[error("no process can be started: {0}")]
    NoWorker(String),
}
