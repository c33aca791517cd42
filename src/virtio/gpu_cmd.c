/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of the graphics adapter (VIRTIO 1.2, sections 5.7.6.7 to 5.7.6.10). Each is carried out
 * at once, so that a fence is passed when its command is answered. What was flushed need not be
 * drawn: a viewer takes the resource's pixels when it looks.
 */
#include "base/le.h"
#include "virtio/gpu_priv.h"

#include <string.h>

#define CMD_GET_DISPLAY_INFO 0x0100u
#define CMD_GET_EDID         0x010au
#define CMD_UPDATE_CURSOR    0x0300u
#define CMD_MOVE_CURSOR      0x0301u

/* struct virtio_gpu_ctrl_hdr */
#define HDR_FLAGS    4u
#define HDR_FENCE_ID 8u
#define HDR_CTX_ID   16u
#define HDR_LEN      24u
#define FLAG_FENCE   1u

#define REQUEST_MAX   56u
#define RESPONSE_MAX  1056u
#define INFO_MODE_LEN 24u
#define INFO_MODES    16u
#define EDID_RESPONSE 1024u
#define CURSOR_QUEUE  1u

struct cmd {
    u8 request[REQUEST_MAX]; /* zeros beyond its end */
    u8 response[RESPONSE_MAX];
    u32 len; /* of the response */
};

static u32 word(const struct cmd *c, unsigned off)
{
    return le32(c->request + off);
}

static struct gpu_rect rect_of(const struct cmd *c)
{
    return (struct gpu_rect){word(c, HDR_LEN), word(c, HDR_LEN + 4), word(c, HDR_LEN + 8),
                             word(c, HDR_LEN + 12)};
}

static u32 get_display_info(struct virtio_gpu *gpu, struct cmd *c)
{
    u8 *mode = c->response + HDR_LEN;

    put_le32(mode + 8, gpu->width);
    put_le32(mode + 12, gpu->height);
    put_le32(mode + 16, 1);
    c->len = HDR_LEN + INFO_MODES * INFO_MODE_LEN;
    return GPU_OK_DISPLAY_INFO;
}

static u32 get_edid(struct virtio_gpu *gpu, struct cmd *c)
{
    if (word(c, 24))
        return GPU_ERR_INVALID_SCANOUT;
    put_le32(c->response + HDR_LEN, EDID_SIZE);
    memcpy(c->response + HDR_LEN + 8, gpu->edid, EDID_SIZE);
    c->len = HDR_LEN + 8 + EDID_RESPONSE;
    return GPU_OK_EDID;
}

static u32 create_2d(struct virtio_gpu *gpu, struct cmd *c)
{
    struct gpu_resource wanted = {
        .id = word(c, 24), .format = word(c, 28), .width = word(c, 32), .height = word(c, 36)};

    return gpu_resource_create(gpu, &wanted);
}

static u32 unref(struct virtio_gpu *gpu, struct cmd *c)
{
    struct gpu_resource *r = gpu_resource_find(gpu, word(c, 24));

    if (!r)
        return GPU_ERR_INVALID_RESOURCE;
    gpu_resource_free(gpu, r);
    return GPU_OK_NODATA;
}

static u32 set_scanout(struct virtio_gpu *gpu, struct cmd *c)
{
    struct gpu_rect rect = rect_of(c);
    u32 id = word(c, 44);
    const struct gpu_resource *r = gpu_resource_find(gpu, id);

    if (word(c, 40))
        return GPU_ERR_INVALID_SCANOUT;
    if (!id) {
        gpu->shown = 0;
        return GPU_OK_NODATA;
    }
    if (!r)
        return GPU_ERR_INVALID_RESOURCE;
    if (!gpu_can_show(&rect, r))
        return GPU_ERR_INVALID_PARAM;
    gpu->shown = id;
    gpu->shows = rect;
    gpu->taken = true;
    return GPU_OK_NODATA;
}

static u32 flush(struct virtio_gpu *gpu, struct cmd *c)
{
    const struct gpu_resource *r = gpu_resource_find(gpu, word(c, 40));
    struct gpu_rect rect = rect_of(c);

    if (!r)
        return GPU_ERR_INVALID_RESOURCE;
    return gpu_rect_within(&rect, r) ? GPU_OK_NODATA : GPU_ERR_INVALID_PARAM;
}

static u32 transfer_to_host(struct virtio_gpu *gpu, struct cmd *c)
{
    struct gpu_resource *r = gpu_resource_find(gpu, word(c, 48));
    struct gpu_rect rect = rect_of(c);

    if (!r)
        return GPU_ERR_INVALID_RESOURCE;
    if (!gpu_rect_within(&rect, r))
        return GPU_ERR_INVALID_PARAM;
    return gpu_resource_transfer(gpu, r, &rect, le64(c->request + 40));
}

static u32 attach_backing(struct virtio_gpu *gpu, struct cmd *c)
{
    struct gpu_resource *r = gpu_resource_find(gpu, word(c, 24));

    return r ? gpu_resource_attach(gpu, r, word(c, 28), 32) : GPU_ERR_INVALID_RESOURCE;
}

static u32 detach_backing(struct virtio_gpu *gpu, struct cmd *c)
{
    struct gpu_resource *r = gpu_resource_find(gpu, word(c, 24));

    if (!r)
        return GPU_ERR_INVALID_RESOURCE;
    if (!r->entries)
        return GPU_ERR_UNSPEC;
    gpu_resource_detach(gpu, r);
    return GPU_OK_NODATA;
}

static u32 move_cursor(struct virtio_gpu *gpu, struct cmd *c)
{
    if (word(c, 24))
        return GPU_ERR_INVALID_SCANOUT;
    gpu->cursor.x = word(c, 28);
    gpu->cursor.y = word(c, 32);
    return GPU_OK_NODATA;
}

static u32 update_cursor(struct virtio_gpu *gpu, struct cmd *c)
{
    u32 id = word(c, 40);
    const struct gpu_resource *r = gpu_resource_find(gpu, id);

    if (word(c, 24))
        return GPU_ERR_INVALID_SCANOUT;
    if (id && !r)
        return GPU_ERR_INVALID_RESOURCE;
    if (r && (r->width != GPU_CURSOR_SIZE || r->height != GPU_CURSOR_SIZE))
        return GPU_ERR_INVALID_PARAM;
    gpu->cursor.visible = r;
    if (r)
        gpu_cursor_set(gpu, r);
    return move_cursor(gpu, c);
}

struct kind {
    u32 len; /* of the request */
    u32 (*carry_out)(struct virtio_gpu *gpu, struct cmd *c);
};

static const struct kind controls[] = {
    {24, get_display_info},
    {40, create_2d},
    {32, unref},
    {48, set_scanout},
    {48, flush},
    {56, transfer_to_host},
    {32, attach_backing},
    {32, detach_backing},
    {0, NULL}, /* GET_CAPSET_INFO: for 3D */
    {0, NULL},
    {32, get_edid},
};

static const struct kind cursors[] = {{56, update_cursor}, {56, move_cursor}};

static const struct kind *find(const struct virtio_gpu *gpu, u32 type, const struct virtq *q)
{
    if (q->index == CURSOR_QUEUE)
        return type - CMD_UPDATE_CURSOR < ARRAY_SIZE(cursors) ? &cursors[type - CMD_UPDATE_CURSOR]
                                                              : NULL;
    if (type == CMD_GET_EDID && !virtio_has(&gpu->virtio, VIRTIO_GPU_F_EDID))
        return NULL;
    type -= CMD_GET_DISPLAY_INFO;
    return type < ARRAY_SIZE(controls) && controls[type].carry_out ? &controls[type] : NULL;
}

u32 gpu_serve(struct virtio_gpu *gpu, struct virtq *q)
{
    struct cmd c = {.len = HDR_LEN};
    u64 got = virtq_read(&gpu->buf, 0, c.request, REQUEST_MAX);
    const struct kind *kind = find(gpu, word(&c, 0), q);
    u32 answer = GPU_ERR_UNSPEC;

    if (kind && got >= kind->len)
        answer = kind->carry_out(gpu, &c);
    put_le32(c.response, answer);
    if (word(&c, HDR_FLAGS) & FLAG_FENCE) {
        put_le32(c.response + HDR_FLAGS, FLAG_FENCE);
        memcpy(c.response + HDR_FENCE_ID, c.request + HDR_FENCE_ID, 8);
        memcpy(c.response + HDR_CTX_ID, c.request + HDR_CTX_ID, 4);
    }
    return (u32)virtq_write(q, &gpu->buf, 0, c.response, c.len);
}
