/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers of values that options of networks have. -EINVAL with a message; any thread. */
#pragma once
#include "base/err.h"

must_check int value_number(u32 *out, const char *value, u32 min, u32 max, struct err *err);
/* on, yes, y; off, no, n */
must_check int value_switch(bool *out, const char *value, struct err *err);
/* In host order; 0.0.0.0 is refused. */
must_check int value_ipv4(u32 *out, const char *text, struct err *err);
/* Six hexadecimal bytes with ':' or '-' between them; value_mac takes no multicast address. */
must_check int value_mac(u8 mac[6], const char *text, struct err *err);
must_check int value_mac_any(u8 mac[6], const char *text, struct err *err);
/* Copies up to `stop` or a comma; ",," stands for one unless stop is '='. Returns where it ended,
   NULL if it is too long. */
must_check const char *value_word(const char *p, char stop, char *out, size_t size,
                                  struct err *err);
