/** What a recording's controls have more than a live stream's. */
import "./styles";

import "media-chrome/dist/media-time-range.js";
import "media-chrome/dist/media-time-display.js";
