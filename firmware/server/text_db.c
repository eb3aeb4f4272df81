/* "db" of MLPerf Tiny: inputs come as hex digits, into the arena behind what the network in use takes. */
#include <string.h>

#include "edgeprune/port.h"
#include "say.h"
#include "text_words.h"

enum { SHOWN_BYTES = 8, WORD_ALIGN = 4 };

bool text_is(const char *word, const char *other)
{
    const size_t bytes = strlen(word);
    return strlen(other) == bytes && memcmp(word, other, bytes) == 0;
}

int32_t text_number(const char *word, int32_t otherwise)
{
    int32_t number = 0;
    if (*word == '\0') {
        return otherwise;
    }
    for (; *word != '\0'; word++) {
        if (*word < '0' || *word > '9' || number > (INT32_MAX - 9) / 10) {
            return -1;
        }
        number = 10 * number + (*word - '0');
    }
    return number;
}

static int digit_of(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

uint8_t *text_buffer(const struct server *server)
{
    return (uint8_t *)ep_port.arena + server->loaded.at;
}

static void db_load(struct server *server, const char *word)
{
    const int32_t bytes = text_number(word, 0);
    const size_t used = server->slots.used == SLOT_NONE ? 0 : server->engine.header->arena_bytes;
    const size_t at = (used + WORD_ALIGN - 1) / WORD_ALIGN * WORD_ALIGN;
    const size_t room = at < ep_port.arena_bytes ? ep_port.arena_bytes - at : 0;
    if (*word == '\0') {
        say("e-[Command 'db load' requires the # of bytes]\r\n");
    } else if (bytes <= 0) {
        say("e-[Command 'db load' must be >0 bytes]\r\n");
    } else if ((size_t)bytes > room) {
        say_three("e-[Supplied buffer size ", bytes, " exceeds maximum of ");
        say_three("", (int64_t)room, "]\r\n");
    } else {
        server->loaded = (struct loaded){(uint32_t)at, (uint32_t)bytes, 0};
        say_three("m-[Expecting ", bytes, " bytes]\r\n");
    }
}

static void db_print(const struct server *server)
{
    static const char HEX[] = "0123456789abcdef";
    const uint32_t bytes = server->loaded.filled;
    for (uint32_t i = 0; i < bytes; i++) {
        const uint8_t byte = text_buffer(server)[i];
        const char digits[] = {HEX[byte >> 4], HEX[byte & 15]};
        say(i % SHOWN_BYTES == 0 ? "m-buffer-" : "-");
        ep_port_write(digits, sizeof digits);
        if ((i + 1) % SHOWN_BYTES == 0 || i + 1 == bytes) {
            say("\r\n");
        }
    }
}

static void db_bytes(struct server *server, const char *hex)
{
    struct loaded *loaded = &server->loaded;
    if (strlen(hex) % 2 != 0) {
        say("e-[Insufficent number of hex digits]\r\n");
        return;
    }
    for (; *hex != '\0'; hex += 2) {
        const int high = digit_of(hex[0]), low = digit_of(hex[1]);
        if (high < 0 || low < 0) {
            say("e-[Invalid hex digit]\r\n");
            return;
        }
        if (loaded->filled == loaded->bytes) {
            say("e-[All bytes are loaded: 'db load' first]\r\n");
            return;
        }
        text_buffer(server)[loaded->filled++] = (uint8_t)(high * 16 + low);
        if (loaded->filled == loaded->bytes) {
            say("m-load-done\r\n");
            return;
        }
    }
}

void text_db(struct server *server, const struct words *words)
{
    if (words->count < 2) {
        say("e-[Command 'db' requires a subcommand]\r\n");
    } else if (text_is(words->at[1], "load")) {
        db_load(server, words->at[2]);
    } else if (text_is(words->at[1], "print")) {
        db_print(server);
    } else {
        db_bytes(server, words->at[1]);
    }
}
