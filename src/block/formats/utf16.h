/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of files in Microsoft's formats: UTF-16, and Windows' paths. */
#pragma once
#include "base/base.h"

enum utf16_order { UTF16_LE, UTF16_BE };

/* To UTF-8, up to `units` or a zero; freed by the caller. NULL: no memory. What is no character
   becomes U+FFFD. */
char *utf16_text(const u8 *p, u64 units, enum utf16_order order);
/* A path as it is written here: '/' between folders, without a drive: of C:\a\b only b is left.
   Changes the text. */
void utf16_local_path(char *path);
/* Writes the text into at most `max` units at p, no zero behind it; *units: how many. -EINVAL if
   it is not UTF-8 or is longer. */
must_check int utf16_put(u8 *p, u64 max, const char *text, enum utf16_order order, u64 *units);
/* What a relative path is there: "a/b" is ".\a\b"; one from the root is only turned round. Freed
   by the caller. NULL: no memory, or the name has a '\', which cannot be said. */
char *utf16_windows_path(const char *path);
