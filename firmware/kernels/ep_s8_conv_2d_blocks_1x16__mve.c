/* Eight pixels by one output channel at a time, over the blocks that its row keeps.
 *
 * The patches of eight pixels stand in scratch as [row_bytes / 16][8 pixels][16]. QEMU counts the
 * scattered store of eight outputs as one instruction; a Cortex-M55 takes a cycle or more for each. */
#include "mve.h"

#if EP_HAS_MVE

enum { PIXELS = 8, STEP = PIXELS * MVE_BYTES };

/* Copies `count` times 16 bytes into one pixel's patch; returns where its next goes. */
static inline int8_t *put_blocks(int8_t *patch, const int8_t *from, uint32_t count)
{
    __asm__ volatile("wls lr, %[count], 2f\n"
                     "1: vldrb.8 q0, [%[from]], #16\n"
                     "vstrb.8 q0, [%[patch]]\n"
                     "add %[patch], #128\n"
                     "le lr, 1b\n"
                     "2:\n"
                     : [patch] "+r"(patch), [from] "+r"(from)
                     : [count] "r"(count)
                     : "q0", "lr", "cc", "memory");
    return patch;
}

static int8_t *put_padding(int8_t *patch, int32_t zero_point, uint32_t count)
{
    for (; count != 0; count--) {
        vstrbq_s8(patch, vdupq_n_s8((int8_t)zero_point));
        patch += STEP;
    }
    return patch;
}

/* The patch of one pixel whose channels fill whole blocks. */
static void gather_blocks(const struct ep_window *window, const int8_t *input, int32_t top,
                          int32_t left, int8_t *patch)
{
    const int32_t bytes = window->in_channels, width = window->in_width;
    const uint32_t blocks = window->in_channels / MVE_BYTES;
    const int32_t end = left + window->kernel_width;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        const int8_t *row = input + y * width * bytes;
        if (y < 0 || y >= window->in_height) {
            patch = put_padding(patch, window->in_zero_point, window->kernel_width * blocks);
        } else if (left >= 0 && end <= width && window->dilation_width == 1) {
            patch = put_blocks(patch, row + left * bytes, window->kernel_width * blocks);
        } else {
            for (int32_t kx = 0; kx < window->kernel_width; kx++) {
                const int32_t x = left + kx * window->dilation_width;
                patch = x < 0 || x >= width ? put_padding(patch, window->in_zero_point, blocks)
                                            : put_blocks(patch, row + x * bytes, blocks);
            }
        }
    }
}

/* The same for any number of channels, through `line`, row_bytes long. */
static void gather_bytes(const struct ep_conv *conv, const int8_t *input, int32_t top, int32_t left,
                         int8_t *patch, int8_t *line)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t bytes = window->in_channels;
    int8_t *next = line;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        for (int32_t kx = 0; kx < window->kernel_width; kx++) {
            const int32_t x = left + kx * window->dilation_width;
            if (y >= 0 && y < window->in_height && x >= 0 && x < window->in_width) {
                mve_copy(next, input + (y * window->in_width + x) * (int32_t)bytes, bytes);
            } else {
                mve_fill(next, window->in_zero_point, bytes);
            }
            next += bytes;
        }
    }
    put_blocks(patch, line, conv->args->row_bytes / MVE_BYTES);
}

/* Writes the patches of the pixels from `first` on, at most PIXELS, into scratch. */
static void gather(const struct ep_conv *conv, const int8_t *input, uint32_t first, uint32_t count)
{
    const struct ep_window *window = &conv->args->window;
    int8_t *patch = conv->scratch, *line = patch + PIXELS * conv->args->row_bytes;
    int32_t y = (int32_t)(first / window->out_width), x = (int32_t)(first % window->out_width);
    for (; count != 0; count--) {
        const int32_t top = y * window->stride_height - window->pad_top;
        const int32_t left = x * window->stride_width - window->pad_left;
        if (window->in_channels % MVE_BYTES == 0) {
            gather_blocks(window, input, top, left, patch);
        } else {
            gather_bytes(conv, input, top, left, patch, line);
        }
        patch += MVE_BYTES;
        x++;
        if (x == window->out_width) {
            x = 0, y++;
        }
    }
}

/* One block with eight pixels: 19 instructions for 128 products. */
#define BLOCK(mla)                                                                     \
    "ldrb %[skip], [%[index]], #1\n"                                                   \
    "vldrb.8 q0, [%[weights]], #16\n"                                                  \
    "add %[patch], %[patch], %[skip], lsl #7\n"                                        \
    "vldrb.8 q1, [%[patch], #16]\n" mla " r2, q0, q1\n"                                \
    "vldrb.8 q1, [%[patch], #32]\n" mla " r4, q0, q1\n"                                \
    "vldrb.8 q1, [%[patch], #48]\n" mla " r6, q0, q1\n"                                \
    "vldrb.8 q1, [%[patch]], #64\n" mla " r0, q0, q1\n"                                \
    "vldrb.8 q1, [%[patch], #16]\n" mla " r10, q0, q1\n"                               \
    "vldrb.8 q1, [%[patch], #32]\n" mla " r12, q0, q1\n"                               \
    "vldrb.8 q1, [%[patch], #48]\n" mla " lr, q0, q1\n"                                \
    "vldrb.8 q1, [%[patch]], #64\n" mla " r8, q0, q1\n"                                \
    "subs %[count], #1\n"

/* Where a row's blocks stand. */
struct row {
    const int8_t *weights;
    const uint8_t *index;
};

/* Sums of eight pixels over `count` blocks, at least 1: 0 to 3 and 4 to 7. */
static inline void dot(struct row *row, const int8_t *patch, uint32_t count, int32x4_t *first,
                       int32x4_t *second)
{
    const int8_t *weights = row->weights;
    const uint8_t *index = row->index;
    int32x4_t a, b;
    uint32_t skip;
    __asm__ volatile(BLOCK("vmladav.s8") "beq 2f\n"
                     "1:\n" BLOCK("vmladava.s8") "bne 1b\n"
                     "2:\n"
                     "vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"
                     "vmov q1[2], q1[0], r8, r12\n vmov q1[3], q1[1], r10, lr\n"
                     "vmov %q[a], q0\n vmov %q[b], q1\n"
                     : [a] "=w"(a), [b] "=w"(b), [weights] "+r"(weights), [index] "+r"(index),
                       [patch] "+r"(patch), [count] "+r"(count), [skip] "=&r"(skip)
                     :
                     : "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "cc",
                       "memory");
    row->weights = weights, row->index = index;
    *first = a, *second = b;
}

/* Eight outputs of one channel: pixels 0, 4, 1, 5 and so on, in the low byte of each int16. */
static inline int16x8_t finish(const struct mve_channel *channel, int32x4_t first, int32x4_t second)
{
    const int32x4_t low = mve_requantize_one(first, channel);
    const int32x4_t high = mve_requantize_one(second, channel);
    const int16x8_t half = vqmovnbq_s32(vreinterpretq_s16_s32(low), low);
    const int16x8_t both = vqmovntq_s32(half, high);
    return vreinterpretq_s16_s8(vqmovnbq_s16(vreinterpretq_s8_s16(both), both));
}

/* The outputs of eight pixels or, with `lanes`, of some. */
static void run_pixels(const struct ep_conv *conv, uint32_t lanes, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint16_t pixel = window->out_channels;
    const int is_clamped = mve_is_clamped(window);
    const int32_t zero_point = window->out_zero_point;
    const struct ep_channel *next = conv->channels;
    const int8_t *shift = conv->shifts;
    const uint16x8_t fours = {0, 4, 1, 5, 2, 6, 3, 7};
    const uint16x8_t to = vmulq_n_u16(fours, pixel);
    struct row row = {conv->weights, conv->index};
    for (uint32_t c = 0; c < pixel; c++) {
        int32x4_t first = vdupq_n_s32(0), second = first;
        if (conv->counts[c] != 0) {
            dot(&row, conv->scratch, conv->counts[c], &first, &second);
        }
        const struct mve_channel channel = mve_load_channel(next++, shift++, zero_point);
        int16x8_t bytes = finish(&channel, first, second);
        if (is_clamped) {
            bytes = vreinterpretq_s16_s8(mve_clamp(window, vreinterpretq_s8_s16(bytes)));
        }
        if (lanes == MVE_ALL) {
            vstrbq_scatter_offset_s16(output + c, to, bytes);
        } else {
            vstrbq_scatter_offset_p_s16(output + c, to, bytes, mve_lanes(lanes));
        }
    }
}

/* Lanes of the first `count` pixels, in the order of `finish`. */
static uint32_t lanes_of(uint32_t count)
{
    uint32_t lanes = 0;
    for (uint32_t pixel = 0; pixel < count; pixel++) {
        lanes |= 3u << (pixel < 4 ? 4 * pixel : 4 * pixel - 14);
    }
    return lanes;
}

void ep_s8_conv_2d_blocks_1x16__mve(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t pixels = (uint32_t)window->out_height * window->out_width;
    for (uint32_t first = 0; first < pixels; first += PIXELS) {
        const uint32_t count = pixels - first < PIXELS ? pixels - first : PIXELS;
        gather(conv, input, first, count);
        run_pixels(conv, lanes_of(count), output);
        output += PIXELS * window->out_channels;
    }
}

#endif
