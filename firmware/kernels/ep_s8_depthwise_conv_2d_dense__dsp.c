/* A channel at a time: its map is laid out alone, as int16 and with its padding, so that neighbours in
 * a line are pairs. A line is a row of the map, or a column where that leaves fewer outputs over. All of
 * a channel is read before any of it is written, so that an output may lie over its input. */
#include "dsp.h"
#include "dsp_depthwise.h"

#if EP_HAS_DSP

enum { TAPS = 9, GROUP = 4 };

/* What the loops over four outputs of a line take; their offsets are written out in the assembly. */
struct taps {
    int32_t bias;
    uint32_t pairs[6]; /* of each line of the kernel: the first two weights, and the last two */
    int32_t twice, addend, shift_less_1;
    uint32_t second, third, fourth; /* where outputs stand behind the first: dsp_row_loop says more */
    uint32_t step;                  /* from four outputs to the next four */
    const int16_t *end;
};

/* Computes outputs of a line from `at` to taps->end. `pitch`: bytes from a line to the next. */
typedef void line_loop(const int16_t *at, uint32_t pitch, const struct taps *taps, int8_t *to);
line_loop dsp_depthwise_3x3_stride_1, dsp_depthwise_3x3_stride_2;

#define LINE_LOOP_BEGIN(name)                                                                  \
    ".syntax unified\n.thumb\n.section .text." name ",\"ax\",%progbits\n.balign 4\n"           \
    ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                    \
    "push {r4-r11, lr}\n"                                                                      \
    "1: mov lr, r0\n"                                                                          \
    "ldr r7, [r2]\n"

#define REQUANTIZE(sum)                                                                        \
    "smmlar " sum ", " sum ", r8, " sum "\n"                                                   \
    "add " sum ", " sum ", " sum ", asr #31\n"                                                 \
    "asr " sum ", r10\n add " sum ", r9\n ssat " sum ", #8, " sum ", asr #1\n"

#define LINE_LOOP_END(name, bytes)                                                             \
    "ldrd r8, r9, [r2, #28]\n"                                                                 \
    "ldr r10, [r2, #36]\n"                                                                     \
    REQUANTIZE("r4") REQUANTIZE("r5") REQUANTIZE("r6") REQUANTIZE("r7")                        \
    "ldrd r8, r9, [r2, #40]\n"                                                                 \
    "ldrd r10, r11, [r2, #48]\n"                                                               \
    "ldr r12, [r2, #56]\n"                                                                     \
    "strb r7, [r3, r10]\n strb r6, [r3, r9]\n strb r5, [r3, r8]\n strb r4, [r3]\n"             \
    "add r3, r11\n"                                                                            \
    "add r0, #" bytes "\n"                                                                     \
    "cmp r0, r12\n"                                                                            \
    "bne 1b\n"                                                                                 \
    "pop {r4-r11, pc}\n"                                                                       \
    ".size " name ", . - " name "\n.text\n"

/* One line of the kernel: six activations, or nine. `a` to `d`: what the sums begin from. */
#define STRIDE_1(pairs, a, b, c, d)                                                            \
    "ldrd r8, r9, [r2, #" pairs "]\n"                                                          \
    "ldm lr, {r10, r11, r12}\n"                                                                \
    "smlad r4, r10, r8, " a "\n smlatb r5, r10, r8, " b "\n"                                   \
    "smlad r6, r11, r8, " c "\n smlatb r7, r11, r8, " d "\n"                                   \
    "smlabt r4, r11, r9, r4\n smlad r5, r11, r9, r5\n"                                         \
    "smlabt r6, r12, r9, r6\n smlad r7, r12, r9, r7\n"

#define STRIDE_2(pairs, a, b, c, d)                                                            \
    "ldrd r8, r9, [r2, #" pairs "]\n"                                                          \
    "ldm lr, {r10, r11, r12}\n"                                                                \
    "smlad r4, r10, r8, " a "\n smlad r5, r11, r8, " b "\n smlad r6, r12, r8, " c "\n"         \
    "smlabt r4, r11, r9, r4\n smlabt r5, r12, r9, r5\n"                                        \
    "ldrd r10, r11, [lr, #12]\n"                                                               \
    "smlad r7, r10, r8, " d "\n"                                                               \
    "smlabt r6, r10, r9, r6\n smlabt r7, r11, r9, r7\n"

#define LINE_LOOP(name, line, bytes)                                                           \
    __asm__(LINE_LOOP_BEGIN(name) line("4", "r7", "r7", "r7", "r7") "add lr, r1\n"             \
            line("12", "r4", "r5", "r6", "r7") "add lr, r1\n"                                  \
            line("20", "r4", "r5", "r6", "r7") LINE_LOOP_END(name, bytes))

LINE_LOOP("dsp_depthwise_3x3_stride_1", STRIDE_1, "8");
LINE_LOOP("dsp_depthwise_3x3_stride_2", STRIDE_2, "16");

/* How sums of a channel become int8: dsp_requantize. */
struct scale {
    int32_t bias, twice, addend, shift_less_1;
};

static inline uint32_t pair_of(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xffff) | (uint32_t)high << 16;
}

/* A map, seen along its lines. */
struct lines {
    int32_t count, size;         /* lines of the input, and elements of a line */
    int32_t pad, pad_before;     /* lines, and elements, of padding before */
    int32_t step, element_step;  /* of the input, in bytes */
    int32_t out_count, out_size; /* the same of the output */
    uint32_t out_step, out_element_step;
    int32_t padded_count, padded_size; /* of the map in scratch, with padding */
};

static struct lines lines_of(const struct ep_window *window)
{
    const uint32_t channels = window->out_channels;
    struct lines lines = {
        .count = window->in_height, .size = window->in_width,
        .pad = window->pad_top, .pad_before = window->pad_left,
        .step = (int32_t)(window->in_width * channels), .element_step = (int32_t)channels,
        .out_count = window->out_height, .out_size = window->out_width,
        .out_step = window->out_width * channels, .out_element_step = channels,
        .padded_count = (int32_t)dsp_map_lines(window), .padded_size = (int32_t)dsp_map_size(window),
    };
    if (dsp_lines_are_columns(window)) {
        lines = (struct lines){
            .count = lines.size, .size = lines.count,
            .pad = lines.pad_before, .pad_before = lines.pad,
            .step = lines.element_step, .element_step = lines.step,
            .out_count = lines.out_size, .out_size = lines.out_count,
            .out_step = lines.out_element_step, .out_element_step = lines.out_step,
            .padded_count = lines.padded_count, .padded_size = lines.padded_size,
        };
    }
    return lines;
}

static inline int32_t min_of(int32_t a, int32_t b) { return a < b ? a : b; }

/* Writes one channel into the map; padding stands there already. */
static void gather(const struct lines *lines, const int8_t *input, int16_t *map)
{
    const int32_t size = min_of(lines->size, lines->padded_size - lines->pad_before);
    const int32_t count = min_of(lines->count, lines->padded_count - lines->pad);
    const int32_t step = lines->element_step;
    for (int32_t line = 0; line < count; line++) {
        const int8_t *from = input + line * lines->step;
        int16_t *to = map + (line + lines->pad) * lines->padded_size + lines->pad_before;
        int32_t left = size;
        for (; left >= GROUP; left -= GROUP, to += GROUP) {
            int32_t a, b, c;
            __asm__ volatile("ldrsb %[a], [%[from]]\n ldrsb %[b], [%[from], %[step]]\n"
                             "add %[from], %[from], %[step], lsl #1\n"
                             "ldrsb %[c], [%[from]]\n pkhbt %[a], %[a], %[b], lsl #16\n"
                             "ldrsb %[b], [%[from], %[step]]\n str %[a], [%[to]]\n"
                             "add %[from], %[from], %[step], lsl #1\n"
                             "pkhbt %[c], %[c], %[b], lsl #16\n str %[c], [%[to], #4]\n"
                             : [from] "+r"(from), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
                             : [step] "r"(step), [to] "r"(to)
                             : "memory");
        }
        for (; left > 0; left--, from += step) {
            *to++ = *from;
        }
    }
}

static void run_3x3(const struct ep_window *window, const struct lines *lines,
                    const struct scale *scale, const int8_t *w, const int16_t *map, int8_t *output)
{
    const int32_t stride = window->stride_width, whole = lines->out_size / GROUP * GROUP;
    const int32_t over = lines->out_size - whole;
    const uint32_t step = lines->out_element_step;
    const int by = dsp_lines_are_columns(window) ? 3 : 1, line_by = 4 - by;
    struct taps taps = {scale->bias, {0}, scale->twice, scale->addend, scale->shift_less_1, 0, 0, 0,
                        GROUP * step, 0};
    for (int i = 0; i < 3; i++, w += line_by) {
        taps.pairs[2 * i] = pair_of(w[0], w[by]);
        taps.pairs[2 * i + 1] = pair_of(w[by], w[2 * by]);
    }
    for (int32_t line = 0; line < lines->out_count; line++) {
        const int16_t *at = map + line * stride * lines->padded_size;
        int8_t *to = output + (uint32_t)line * lines->out_step;
        line_loop *loop = stride == 1 ? dsp_depthwise_3x3_stride_1 : dsp_depthwise_3x3_stride_2;
        taps.second = step, taps.third = 2 * step, taps.fourth = 3 * step;
        taps.end = at + whole * stride;
        if (whole != 0) {
            loop(at, (uint32_t)lines->padded_size * 2, &taps, to);
        }
        if (over != 0) {
            at = taps.end, taps.end += GROUP * stride;
            taps.second = over > 1 ? step : 0;
            taps.third = over > 2 ? 2 * step : taps.second;
            taps.fourth = taps.third;
            loop(at, (uint32_t)lines->padded_size * 2, &taps, to + (uint32_t)whole * step);
        }
    }
}

/* Kernels of all other sizes; `pairs`: room for their weights as pairs. */
static void run_any(const struct ep_window *window, const struct lines *lines,
                    const struct scale *scale, const int8_t *weights, const int16_t *map,
                    uint32_t *pairs, int8_t *output)
{
    const int32_t height = window->kernel_height, width = window->kernel_width;
    const int32_t twice = scale->twice, addend = scale->addend;
    uint32_t *pair = pairs;
    for (int32_t ky = 0; ky < height; ky++, weights += width) {
        for (int32_t kx = 0; kx < width; kx += 2) {
            *pair++ = pair_of(weights[kx], kx + 1 < width ? weights[kx + 1] : 0);
        }
    }
    for (int32_t y = 0; y < lines->out_count; y++) {
        const int16_t *at = map + y * window->stride_height * lines->padded_size;
        for (int32_t x = 0; x < lines->out_size; x++, at += window->stride_width) {
            int32_t sum = scale->bias;
            const int16_t *row = at;
            pair = pairs;
            for (int32_t ky = 0; ky < height; ky++, row += lines->padded_size) {
                for (int32_t kx = 0; kx < width; kx += 2) {
                    sum = dsp_add_pairs(dsp_load(row + kx), *pair++, sum);
                }
            }
            *output = dsp_requantize(sum, twice, addend, scale->shift_less_1);
            output += lines->out_element_step;
        }
    }
}

void ep_s8_depthwise_conv_2d_dense__dsp(const struct ep_conv *conv, const int8_t *input,
                                        int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const struct lines lines = lines_of(window);
    const int32_t map_size = lines.padded_count * lines.padded_size;
    int16_t *map = conv->scratch;
    for (int32_t i = 0; i < map_size; i++) {
        map[i] = window->in_zero_point;
    }
    const int8_t *weights = conv->weights;
    for (int32_t c = 0; c < window->out_channels; c++, weights += conv->args->row_bytes) {
        const struct scale scale = {conv->channels[c].bias, dsp_twice(conv->channels[c].multiplier),
                                        ep_addend(window->out_zero_point), conv->shifts[c] - 1};
        gather(&lines, input + c, map);
        if (dsp_is_3x3(window)) {
            run_3x3(window, &lines, &scale, weights, map, output + c);
        } else {
            run_any(window, &lines, &scale, weights, map, (uint32_t *)(void *)(map + map_size),
                    output + c);
        }
    }
    dsp_limit(window->out_min, window->out_max, output,
              (uint32_t)window->out_height * window->out_width * window->out_channels);
}

#endif
