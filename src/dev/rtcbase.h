/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `--rtc base=…` means: where the real-time clock's calendar stands at power-on. */
#pragma once
#include "base/base.h"
#include "base/err.h"

/*
 * `text`: "utc"; "localtime", by the host's time zone and its summer time as they are now; or a
 * date, YYYY-MM-DD with or without Thh:mm:ss. *offset: seconds to add to the host's UTC, whose
 * value now is `wall` ns since 1970 (clock_wall). -EINVAL with a message.
 */
must_check int rtcbase_parse(const char *text, u64 wall, s64 *offset, struct err *err);
