/* The commands of MLPerf Tiny, so that its public runner can drive this firmware.
 *
 * Source: mlcommons/tiny, benchmark/api/internally_implemented.cpp and the reference submissions. Unlike there,
 * nothing is written outside of the buffer, whatever the host sends. Only where a port says EP_TEXT_COMMANDS=1. */
#include <string.h>

#include "edgeprune/port.h"
#include "say.h"
#include "text_words.h"

enum { DEFAULT_RUNS = 1, DEFAULT_WARMUP = 10 };

/* The benchmark's models, told by what goes in and comes out; `is_uint8`: inputs come as bytes from 0
 * on. */
static const struct model {
    uint32_t in_bytes, out_bytes;
    const char *name;
    bool is_uint8;
} MODELS[] = {
    {490, 12, "kws01", false},
    {3072, 10, "ic01", true},
    {27648, 2, "vww01", true},
    {640, 640, "ad01", false},
    {1200, 3, "strww01", false},
};

static struct words cut(char *text)
{
    struct words words = {{"", "", "", ""}, 0};
    while (words.count < MAX_WORDS) {
        while (*text == ' ') {
            text++;
        }
        if (*text == '\0') {
            break;
        }
        words.at[words.count++] = text;
        while (*text != ' ' && *text != '\0') {
            text++;
        }
        if (*text == ' ') {
            *text++ = '\0';
        }
    }
    return words;
}

static bool has_network(const struct server *server)
{
    return server->slots.used != SLOT_NONE && server->engine.header->input_count >= 1 &&
           server->engine.header->output_count >= 1;
}

static const struct model *model_of(const struct server *server)
{
    const uint32_t in_bytes = ep_input_tensor(&server->engine, 0)->bytes;
    const uint32_t out_bytes = ep_output_tensor(&server->engine, 0)->bytes;
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        if (MODELS[i].in_bytes == in_bytes && MODELS[i].out_bytes == out_bytes) {
            return &MODELS[i];
        }
    }
    return NULL;
}

static void say_profile(const struct server *server)
{
    const struct model *model = has_network(server) ? model_of(server) : NULL;
    say("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[");
    say(model != NULL ? model->name : has_network(server) ? "other" : "none");
    say("]\r\n");
}

static void say_timestamp(void)
{
    const uint64_t ticks = line_ticks(), hz = ep_port.tick_hz;
    say_three("m-lap-us-", (int64_t)(ticks / hz * 1000000 + ticks % hz * 1000000 / hz), "\r\n");
}

/* `number` of the buffer, as float32. */
static float real_at(const struct server *server, uint32_t number)
{
    float value;
    memcpy(&value, text_buffer(server) + number * sizeof value, sizeof value);
    return value;
}

static int8_t quantized(float value, const struct ep_plan_tensor *tensor)
{
    const float limit = 1000.0f, steps = value / tensor->scale;
    const float low = steps > -limit ? steps : -limit;
    const float within = low < limit ? low : limit;
    const int32_t stored =
        (int32_t)(within < 0.0f ? within - 0.5f : within + 0.5f) + tensor->zero_point % 256;
    return (int8_t)(stored < INT8_MIN ? INT8_MIN : stored > INT8_MAX ? INT8_MAX : stored);
}

static float real_of(int8_t stored, const struct ep_plan_tensor *tensor)
{
    return ((float)stored - (float)tensor->zero_point) * tensor->scale;
}

/* Sets the input from the buffer; false if that holds another number of bytes. */
static bool set_input(const struct server *server)
{
    const struct ep_plan_tensor *tensor = ep_input_tensor(&server->engine, 0);
    const struct model *model = model_of(server);
    const struct loaded *loaded = &server->loaded;
    int8_t *input = ep_input(&server->engine, 0);
    if (loaded->filled != loaded->bytes || loaded->bytes == 0) {
        return false;
    }
    if (loaded->bytes == tensor->bytes) {
        const uint8_t zero = model != NULL && model->is_uint8 ? 0x80 : 0;
        for (uint32_t i = 0; i < tensor->bytes; i++) {
            input[i] = (int8_t)(text_buffer(server)[i] ^ zero);
        }
        return true;
    }
    if (loaded->bytes / sizeof(float) == tensor->bytes && loaded->bytes % sizeof(float) == 0) {
        for (uint32_t i = 0; i < tensor->bytes; i++) {
            input[i] = quantized(real_at(server, i), tensor);
        }
        return true;
    }
    return false;
}

/* An autoencoder tells how far its output is from its input: the mean of the squares. */
static void say_distance(const struct server *server)
{
    const struct ep_plan_tensor *tensor = ep_output_tensor(&server->engine, 0);
    float sum = 0.0f;
    for (uint32_t i = 0; i < tensor->bytes; i++) {
        const float off = real_of(ep_output(&server->engine, 0)[i], tensor) - real_at(server, i);
        sum += off * off;
    }
    say_real(sum / (float)tensor->bytes);
}

static void say_results(const struct server *server)
{
    const struct ep_plan_tensor *tensor = ep_output_tensor(&server->engine, 0);
    const bool has_reals = server->loaded.filled == tensor->bytes * sizeof(float);
    say("m-results-[");
    if (has_reals && ep_input_tensor(&server->engine, 0)->bytes == tensor->bytes) {
        say_distance(server);
    } else {
        for (uint32_t i = 0; i < tensor->bytes; i++) {
            say(i == 0 ? "" : ",");
            say_real(real_of(ep_output(&server->engine, 0)[i], tensor));
        }
    }
    say("]\r\n");
}

/* Runs the network so many times, each on the loaded input; false, and a line of text, if it cannot. */
static bool run(struct server *server, int32_t times)
{
    for (int32_t i = 0; i < times; i++) {
        uint32_t ticks;
        if (!set_input(server)) {
            say_three("e-[Input db has ", server->loaded.filled, " bytes, expected ");
            say_three("", ep_input_tensor(&server->engine, 0)->bytes, "]\r\n");
            return false;
        }
        const char *wrong = infer_once(server, &ticks);
        if (wrong == NULL && line_is_asked(&server->line)) {
            wrong = "stopped by another command";
        }
        if (wrong != NULL) {
            say("e-[");
            say(wrong);
            say("]\r\n");
            return false;
        }
    }
    return true;
}

static void infer(struct server *server, const struct words *words)
{
    const int32_t runs = text_number(words->at[1], DEFAULT_RUNS);
    const int32_t warmup = text_number(words->at[2], DEFAULT_WARMUP);
    if (!has_network(server)) {
        say("e-[There is no network]\r\n");
        return;
    }
    if (runs <= 0) {
        say("e-[Inference iterations must be >0]\r\n");
        return;
    }
    if (warmup < 0) {
        say("e-[Inference warmup must be >=0]\r\n");
        return;
    }
    server->is_loaded = true;
    say_three("m-warmup-start-", warmup, "\r\n");
    if (!run(server, warmup)) {
        return;
    }
    say_three("m-warmup-done\r\nm-infer-start-", runs, "\r\n");
    say_timestamp();
    if (!run(server, runs)) {
        return;
    }
    say_timestamp();
    say("m-infer-done\r\n");
    say_results(server);
}

static const char HELP[] = "ULPMark for tinyML Firmware V0.0.1\r\n\r\n"
                           "help          : this text\r\n"
                           "name          : the name of the device\r\n"
                           "profile       : the profile and the model\r\n"
                           "timestamp     : the time in microseconds\r\n"
                           "db load N     : expect N bytes of input\r\n"
                           "db HH[HH]*    : bytes of input, as hex digits\r\n"
                           "db print      : what is loaded\r\n"
                           "infer N [W=10]: run N times, after W times\r\n"
                           "results       : the outputs of the last run\r\n";

void text_command_run(struct server *server)
{
    const struct words words = cut(server->line.text);
    const char *name = words.at[0];
    if (text_is(name, "name")) {
        say("m-name-dut-[edgeprune]\r\n");
    } else if (text_is(name, "profile")) {
        say_profile(server);
    } else if (text_is(name, "timestamp")) {
        say_timestamp();
    } else if (text_is(name, "help")) {
        say(HELP);
    } else if (text_is(name, "db")) {
        text_db(server, &words);
    } else if (text_is(name, "infer")) {
        infer(server, &words);
    } else if (text_is(name, "results")) {
        if (has_network(server)) {
            say_results(server);
        } else {
            say("e-[There is no network]\r\n");
        }
    } else {
        say("e-[Unknown command: ");
        say(name);
        say("]\r\n");
    }
    say("m-ready\r\n");
}
