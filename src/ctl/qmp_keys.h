/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QKeyCode: QMP's names of keys. */
#pragma once
#include "ui/keys.h"

/* Its place on the keyboard (ui/keys.h); KEY_NONE if there is no such name. */
u16 qmp_key_code(const char *name, size_t len);
