/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of commands (ATA8-ACS) and those that neither read nor write sectors: features, power,
 * SMART, TRIM. What is not in the table is aborted: the security set, host protected area, READ
 * LONG.
 */
#include "base/le.h"
#include "dev/ata_priv.h"

#include <string.h>

#define SMART_MID    0x4fu
#define SMART_HIGH   0xc2u
#define TRIM_RANGES  64u /* in a sector */
#define POWER_ACTIVE 0xffu

static void nothing(struct ata_drive *d)
{
    ata_end(d);
}

static void diagnose(struct ata_drive *d)
{
    ata_signature(d);
    d->intrq = true;
}

/* Of a packet device: the signature tells the host what it is. */
static void not_a_disk(struct ata_drive *d)
{
    ata_signature(d);
    ata_abort(d);
}

static void initialize_parameters(struct ata_drive *d)
{
    u32 heads = (d->r.device & 15u) + 1, spt = d->r.count[0];

    if (!spt) {
        ata_abort(d);
        return;
    }
    d->heads = (u16)heads;
    d->spt = (u16)spt;
    d->cylinders = (u16)min_u64(ata_sectors(d) / (heads * spt), 65535);
    ata_end(d);
}

static void set_multiple(struct ata_drive *d)
{
    u8 n = d->r.count[0];

    if (n > 16 || n & (n - 1)) {
        ata_abort(d);
        return;
    }
    d->multiple = n;
    ata_end(d);
}

static void sector_in(struct ata_drive *d)
{
    d->filled = ATA_SECTOR;
    d->left = 0;
    ata_phase(d, ATA_PIO_IN, 0, ATA_SECTOR, NEXT_END, true);
    d->intrq = true;
}

static void write_buffer(struct ata_drive *d)
{
    d->left = 0;
    ata_phase(d, ATA_PIO_OUT, 0, ATA_SECTOR, NEXT_IGNORE, true);
}

static void read_native_max(struct ata_drive *d)
{
    u64 last = ata_sectors(d) - 1;
    bool ext = ata_is_ext(d->command);

    d->r.device |= ATA_LBA;
    ata_put_address(d, ext ? last : min_u64(last, 0x0fffffff), ext);
    ata_end(d);
}

static void check_power(struct ata_drive *d)
{
    d->r.count[0] = d->power;
    ata_end(d);
}

static void standby(struct ata_drive *d)
{
    d->power = 0x00;
    ata_end(d);
}

static void idle(struct ata_drive *d)
{
    d->power = POWER_ACTIVE;
    ata_end(d);
}

static void sleep_now(struct ata_drive *d)
{
    d->power = 0x00;
    ata_end(d);
    d->sleeping = true;
}

/* False: there is no such mode. */
static bool set_transfer_mode(struct ata_drive *d, u8 mode)
{
    u8 n = mode & 7;

    switch (mode >> 3) {
    case 0: /* PIO, the default */
        return n <= 1;
    case 1:
        d->pio_mode = n <= 4 ? n : d->pio_mode;
        return n <= 4;
    case 4:
        if (n > 2)
            return false;
        d->mdma_mode = n;
        d->udma_mode = 0xff;
        return true;
    case 8:
        if (n > 5)
            return false;
        d->udma_mode = n;
        d->mdma_mode = 0xff;
        return true;
    default:
        return false;
    }
}

static void set_features(struct ata_drive *d)
{
    bool ok = true;

    switch (d->r.feature[0]) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82: /* what it holds reaches the medium */
        d->write_cache = false;
        if (d->cdrom)
            break;
        ata_flush(d);
        return;
    case 0xaa:
    case 0x55:
        d->read_ahead = d->r.feature[0] == 0xaa;
        break;
    case 0x66:
    case 0xcc:
        break;
    case 0x03:
        ok = set_transfer_mode(d, d->r.count[0]);
        break;
    default:
        ok = false;
    }
    if (ok)
        ata_end(d);
    else
        ata_abort(d);
}

/* Two attributes, both well: power-on hours and temperature. */
static void smart_data(struct ata_drive *d, bool thresholds)
{
    static const u8 attribute[2][2] = {{9, 100}, {194, 100}};
    u8 sum = 0;

    memset(d->buf, 0, ATA_SECTOR);
    put_le16(d->buf, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(attribute); i++) {
        u8 *a = d->buf + 2 + 12 * (size_t)i;
        a[0] = attribute[i][0];
        if (thresholds)
            continue;
        put_le16(a + 1, 0x0002);
        a[3] = a[4] = attribute[i][1];
        a[5] = i ? 30 : 0;
    }
    if (!thresholds)
        d->buf[362] = 0x02; /* off-line collection was never started */
    for (unsigned i = 0; i < ATA_SECTOR - 1; i++)
        sum = (u8)(sum + d->buf[i]);
    d->buf[ATA_SECTOR - 1] = (u8)-sum;
    sector_in(d);
}

static void smart_log(struct ata_drive *d)
{
    if (d->r.lba_low[0] > 1 || d->r.count[0] != 1) {
        ata_abort(d);
        return;
    }
    memset(d->buf, 0, ATA_SECTOR);
    d->buf[0] = 1;
    if (d->r.lba_low[0]) /* the error log is empty */
        d->buf[ATA_SECTOR - 1] = 0xff;
    else
        d->buf[2] = 1; /* of log 1, one sector */
    sector_in(d);
}

static void smart(struct ata_drive *d)
{
    u8 what = d->r.feature[0];

    if (d->r.lba_mid[0] != SMART_MID || d->r.lba_high[0] != SMART_HIGH ||
        (!d->smart && what != 0xd8)) {
        ata_abort(d);
        return;
    }
    switch (what) {
    case 0xd0:
    case 0xd1:
        smart_data(d, what == 0xd1);
        return;
    case 0xd5:
        smart_log(d);
        return;
    case 0xd8:
    case 0xd9:
        d->smart = what == 0xd8;
        ata_end(d);
        return;
    case 0xd2: /* attributes are saved by themselves */
    case 0xd4: /* a self-test, passed at once */
    case 0xda: /* no threshold is passed: the registers stay as they are */
        ata_end(d);
        return;
    default:
        ata_abort(d);
    }
}

/* What became of queued commands (log 10h): the failed one's task file. */
static void ncq_error_log(struct ata_drive *d)
{
    u8 sum = 0;

    d->buf[0] = d->ncq_failed ? d->ncq_tag : 0x80;
    d->buf[2] = ATA_DRDY | ATA_ERR;
    d->buf[3] = d->ncq_error;
    for (unsigned i = 0; i < 3; i++) {
        d->buf[4 + i] = (u8)(d->ncq_lba >> 8 * i);
        d->buf[8 + i] = (u8)(d->ncq_lba >> (24 + 8 * i));
    }
    d->buf[7] = ATA_LBA;
    for (unsigned i = 0; i < ATA_SECTOR - 1; i++)
        sum = (u8)(sum + d->buf[i]);
    d->buf[ATA_SECTOR - 1] = (u8)-sum;
    d->ncq_failed = false;
}

static void read_log(struct ata_drive *d)
{
    u8 log = d->r.lba_low[0];

    if (d->r.count[0] != 1 || d->r.count[1] || d->r.lba_mid[0] || (log && log != 0x10)) {
        ata_abort(d);
        return;
    }
    memset(d->buf, 0, ATA_SECTOR);
    if (log) {
        ncq_error_log(d);
    } else { /* the directory: log 10h has one page */
        put_le16(d->buf, 1);
        put_le16(d->buf + 2 * 0x10, 1);
    }
    sector_in(d);
}

/* DATA SET MANAGEMENT: so many sectors of ranges follow. */
static void trim(struct ata_drive *d)
{
    u32 n = d->r.count[0] | (u32)d->r.count[1] << 8;

    if (!(d->r.feature[0] & 1) || !n || n > ATA_BUF / ATA_SECTOR || block_read_only(d->blk)) {
        ata_abort(d);
        return;
    }
    d->left = 0;
    ata_phase(d, ATA_DMA_OUT, 0, n * ATA_SECTOR, NEXT_TRIM, true);
}

static void discarded(struct ata_drive *d, int rc)
{
    ata_trim_next(d); /* a hint: errors are nobody's business */
}

/* Discards the next range that is not empty, of those from `filled` on. */
static void trim_from(struct ata_drive *d)
{
    u64 sectors = ata_sectors(d);

    while (d->filled < d->end) {
        u64 range = le64(d->buf + d->filled), lba = range & (BIT64(48) - 1), n = range >> 48;
        d->filled += 8;
        if (!n)
            continue;
        if (lba >= sectors || n > sectors - lba) {
            ata_fail(d, ATA_IDNF | ATA_ABRT);
            return;
        }
        ata_submit(d, BLOCK_DISCARD, lba * ATA_SECTOR, (u32)n * ATA_SECTOR, discarded);
        return;
    }
    ata_end(d);
}

void ata_trim_next(struct ata_drive *d)
{
    if (d->phase == ATA_DMA_OUT)
        d->filled = 0;
    trim_from(d);
}

static void power_command(struct ata_drive *d)
{
    switch (d->command) {
    case 0x94:
    case 0xe0:
    case 0x96:
    case 0xe2:
        standby(d);
        break;
    case 0x95:
    case 0xe1:
    case 0x97:
    case 0xe3:
        idle(d);
        break;
    case 0x98:
    case 0xe5:
        check_power(d);
        break;
    default:
        sleep_now(d);
    }
}

typedef void (*command_fn)(struct ata_drive *);

static const command_fn disk_commands[256] = {
    [0x06] = trim,
    [0x10 ... 0x1f] = nothing, /* RECALIBRATE */
    [0x20] = ata_read_pio,
    [0x21] = ata_read_pio,
    [0x24] = ata_read_pio,
    [0x25] = ata_read_dma,
    [0x27] = read_native_max,
    [0x29] = ata_read_pio,
    [0x2f] = read_log,
    [0x30] = ata_write_pio,
    [0x31] = ata_write_pio,
    [0x34] = ata_write_pio,
    [0x35] = ata_write_dma,
    [0x39] = ata_write_pio,
    [0x3d] = ata_write_dma,
    [0x40] = ata_verify,
    [0x41] = ata_verify,
    [0x42] = ata_verify,
    [0x70 ... 0x7f] = nothing, /* SEEK */
    [0x90] = diagnose,
    [0x91] = initialize_parameters,
    [0x94 ... 0x99] = power_command,
    [0xb0] = smart,
    [0xc4] = ata_read_pio,
    [0xc5] = ata_write_pio,
    [0xc6] = set_multiple,
    [0xc8] = ata_read_dma,
    [0xc9] = ata_read_dma,
    [0xca] = ata_write_dma,
    [0xcb] = ata_write_dma,
    [0xce] = ata_write_pio,
    [0xe0 ... 0xe3] = power_command,
    [0xe4] = sector_in, /* READ BUFFER */
    [0xe5 ... 0xe6] = power_command,
    [0xe7] = ata_flush,
    [0xe8] = write_buffer,
    [0xea] = ata_flush,
    [0xec] = ata_identify,
    [0xef] = set_features,
    [0xf8] = read_native_max,
};

static const command_fn cd_commands[256] = {
    [0x20] = not_a_disk,
    [0x21] = not_a_disk,
    [0x90] = diagnose,
    [0x94 ... 0x99] = power_command,
    [0xa0] = atapi_packet,
    [0xa1] = atapi_identify,
    [0xe0 ... 0xe3] = power_command,
    [0xe5 ... 0xe6] = power_command,
    [0xec] = not_a_disk,
    [0xef] = set_features,
};

void ata_command(struct ata_drive *d)
{
    command_fn fn = (d->cdrom ? cd_commands : disk_commands)[d->command];

    if (fn)
        fn(d);
    else
        ata_abort(d);
}
