/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that are numbers. */
#include "cpu/vm.h"
#include "ctl/option_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MIN MiB
#define MEMORY_MAX (GiB * 1024)

/* Digits, then one of the letters K, M, G, T or nothing. */
static bool parse_size(const char *text, u64 *out)
{
    static const char suffixes[] = "KMGT";
    char *end;
    const char *s;
    unsigned shift = 0;
    u64 v;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (*end) {
        s = strchr(suffixes, *end & ~0x20);
        if (!s || !*s || end[1])
            return false;
        shift = 10 * (unsigned)(s - suffixes + 1);
    }
    if (v > UINT64_MAX >> shift)
        return false;
    *out = v << shift;
    return true;
}

int option_set_memory(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    u64 size;

    if (!parse_size(value, &size))
        return err_set(err, EINVAL, "'%.40s' is not a size; give one such as 512M or 2G", value);
    if (size < MEMORY_MIN || size > MEMORY_MAX)
        return err_set(err, EINVAL, "'%.40s' is not between 1M and 1T", value);
    if (size % PAGE_SIZE)
        return err_set(err, EINVAL, "'%.40s' is not a multiple of 4K", value);
    cfg->memory = size;
    return 0;
}

int option_set_balloon(struct machine_config *cfg, const struct option_def *def, const char *value,
                       struct err *err)
{
    if (!parse_size(value, &cfg->balloon) || cfg->balloon > MEMORY_MAX)
        return err_set(err, EINVAL, "'%.40s' is not a size; give one such as 0 or 256M", value);
    cfg->has_balloon = true;
    return 0;
}

/* N[,sockets=S]: APIC IDs count up without gaps, so packages hold a power of two of CPUs. */
int option_set_cpus(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    static const char key[] = ",sockets=";
    const char *comma = strchr(value, ',');
    size_t len = comma ? (size_t)(comma - value) : strlen(value);
    u64 n = 0, sockets = 1, each;
    char count[16];

    snprintf(count, sizeof(count), "%.*s", (int)len, value);
    if (len >= sizeof(count) || !parse_size(count, &n) || n < 1 || n > VM_MAX_CPUS)
        return err_set(err, EINVAL, "'%.40s' is not a number from 1 to %d", value, VM_MAX_CPUS);
    if (comma && (strncmp(comma, key, strlen(key)) != 0 ||
                  !parse_size(comma + strlen(key), &sockets) || !sockets))
        return err_set(err, EINVAL, "'%.40s': after the number there is sockets=S only", value);
    each = n / sockets;
    if (sockets > 1 && (n % sockets || each & (each - 1)))
        return err_set(err, EINVAL, "'%.40s': each socket has 1, 2, 4, 8, 16 or 32 CPUs", value);
    cfg->cpus = (unsigned)n;
    cfg->sockets = (unsigned)sockets;
    return 0;
}

int option_set_code_cache(struct machine_config *cfg, const struct option_def *def,
                          const char *value, struct err *err)
{
    u64 n;

    if (!parse_size(value, &n) || n < MiB || n > 1024 * MiB)
        return err_set(err, EINVAL, "'%.40s' is not a size from 1M to 1G", value);
    cfg->code_cache = (u32)align_up(n, PAGE_SIZE);
    return 0;
}
