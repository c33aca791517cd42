/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A WAV file as sound output; see wav.c. */
#pragma once
#include "base/err.h"
#include "ui/sound.h"

struct wav;

/* Creates or empties the file. -errno with a message that names it. */
must_check int wav_open(struct wav **out, const char *path, u32 rate, struct err *err);
/* Completes the header. -errno if anything could not be written since wav_open; the file is closed
   all the same. */
int wav_close(struct wav *wav);
struct sound_out wav_sound(struct wav *wav);
