/* What firmware shares, in memory of exactly the size that the caller gives.
 *
 * `driver text ROOM INTEGER STRING` writes both; prints what there was room for, and "cut" or "whole".
 * `driver json ROOM TEXT` parses TEXT with room for so many items; prints "ok" or what is wrong.
 * `driver frame JSON_BYTES BLOB_BYTES` makes a header of that much data, none of which is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_header.h"
#include "json.h"
#include "text.h"

static int write_text(const char *room, const char *integer, const char *string)
{
    struct text text = {.room = strtoul(room, NULL, 10)};
    text.data = malloc(text.room); /* so that the address sanitizer sees a byte behind it */
    text_raw(&text, "[");
    text_integer(&text, strtoll(integer, NULL, 10));
    text_raw(&text, ", ");
    text_string(&text, string);
    text_raw(&text, "]");
    fwrite(text.data, 1, text.bytes, stdout);
    puts(text.is_cut ? "\ncut" : "\nwhole");
    free(text.data);
    return 0;
}

static int parse(const char *room, const char *json)
{
    struct json_object object = {.item_room = strtoul(room, NULL, 10)};
    object.items = object.item_room > 0 ? malloc(object.item_room * sizeof *object.items) : NULL;
    char *text = malloc(strlen(json) + 1);
    if (text == NULL) {
        return 3;
    }
    memcpy(text, json, strlen(json) + 1);
    const char *wrong = json_parse(text, strlen(json), &object);
    puts(wrong == NULL ? "ok" : wrong);
    free(object.items);
    free(text);
    return 0;
}

static int make_header(const char *json_bytes, const char *blob_bytes)
{
    unsigned char header[FRAME_HEADER_BYTES];
    puts(frame_header_make(header, NULL, strtoull(json_bytes, NULL, 10), NULL,
                           strtoull(blob_bytes, NULL, 10))
             ? "made"
             : "too long");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "text") == 0) {
        return write_text(argv[2], argv[3], argv[4]);
    }
    if (argc == 4 && strcmp(argv[1], "json") == 0) {
        return parse(argv[2], argv[3]);
    }
    return argc == 4 && strcmp(argv[1], "frame") == 0 ? make_header(argv[2], argv[3]) : 3;
}
