/** The parts of media-chrome that the player is built of, in the reader's language. */
import "./styles";

import "media-chrome/dist/media-controller.js";
import "media-chrome/dist/media-control-bar.js";
import "media-chrome/dist/media-play-button.js";
import "media-chrome/dist/media-mute-button.js";
import "media-chrome/dist/media-volume-range.js";
import "media-chrome/dist/media-pip-button.js";
import "media-chrome/dist/media-fullscreen-button.js";
import "media-chrome/dist/media-loading-indicator.js";
import "media-chrome/dist/menu/media-chrome-menu.js";
import "media-chrome/dist/menu/media-chrome-menu-button.js";
import "media-chrome/dist/menu/media-chrome-menu-item.js";
import { addTranslation } from "media-chrome/dist/utils/i18n.js";

import { language, messagesUnder } from "../../i18n";

addTranslation(language, messagesUnder("control."));
