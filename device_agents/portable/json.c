#include "json.h"

#include <string.h>

#include "utf8.h"

struct cursor {
    char *at;
    char *end; /* points at a zero byte, so at[0] may always be read */
    struct json_object *object;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) {
        c->at++;
    }
}

/* Skips space, then takes `wanted` if it comes next. */
static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t bytes = strlen(word);
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, word, bytes) != 0) {
        return false;
    }
    c->at += bytes;
    return true;
}

static bool is_digit(char symbol)
{
    return symbol >= '0' && symbol <= '9';
}

static const char *parse_integer(struct cursor *c, int64_t *value)
{
    bool negative = take_word(c, "-");
    if (!is_digit(*c->at)) {
        return "a value is neither an integer, a boolean, a string nor a list of integers";
    }
    if (*c->at == '0' && is_digit(c->at[1])) {
        return "a number begins with 0";
    }
    uint64_t magnitude = 0;
    while (is_digit(*c->at)) {
        magnitude = magnitude * 10 + (uint64_t)(*c->at++ - '0');
        if (magnitude > INT64_MAX / 16) {
            return "a number is too large";
        }
    }
    if (*c->at == '.' || *c->at == 'e' || *c->at == 'E') {
        return "a number is not an integer";
    }
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return NULL;
}

static bool parse_hex4(struct cursor *c, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char symbol = *c->at; /* the closing zero byte is no digit, so this never passes the end */
        uint32_t digit = 0;
        if (is_digit(symbol)) {
            digit = (uint32_t)(symbol - '0');
        } else if (symbol >= 'a' && symbol <= 'f') {
            digit = (uint32_t)(symbol - 'a' + 10);
        } else if (symbol >= 'A' && symbol <= 'F') {
            digit = (uint32_t)(symbol - 'A' + 10);
        } else {
            return false;
        }
        *unit = *unit << 4 | digit;
        c->at++;
    }
    return true;
}

/* Writes a code point as UTF-8 and returns the byte after it. */
static char *put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (char)point;
        return to;
    }
    if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *to++ = (char)(0xe0 | point >> 12);
        } else {
            *to++ = (char)(0xf0 | point >> 18);
            *to++ = (char)(0x80 | (point >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (point & 0x3f));
    return to;
}

/* Decodes what follows "\u"; NULL if it is no character, or the zero byte. */
static char *parse_unicode(struct cursor *c, char *to)
{
    uint32_t point = 0;
    uint32_t low = 0;
    if (!parse_hex4(c, &point) || point == 0 || (point >= 0xdc00 && point <= 0xdfff)) {
        return NULL;
    }
    if (point >= 0xd800 && point <= 0xdbff) {
        if (!take_word(c, "\\u") || !parse_hex4(c, &low) || low < 0xdc00 || low > 0xdfff) {
            return NULL;
        }
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_utf8(to, point);
}

static char *parse_escape(struct cursor *c, char *to)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char VALUES[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end) {
        return NULL;
    }
    char name = *c->at++;
    if (name == 'u') {
        return parse_unicode(c, to);
    }
    for (size_t i = 0; i < sizeof NAMES - 1; i++) {
        if (NAMES[i] == name) {
            *to++ = VALUES[i];
            return to;
        }
    }
    return NULL;
}

/* Decodes the string after its opening quote, in place: decoded text is never the longer one. */
static const char *parse_string(struct cursor *c, const char **string)
{
    char *to = c->at;
    *string = c->at;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at == '\\') {
            c->at++;
            to = parse_escape(c, to);
            if (to == NULL) {
                return "a string holds a bad escape";
            }
            continue;
        }
        size_t length = utf8_length((unsigned char *)c->at, (size_t)(c->end - c->at));
        if (length == 0 || (unsigned char)*c->at < 0x20) {
            return "a string holds a control character or bytes that are not UTF-8";
        }
        memmove(to, c->at, length);
        to += length;
        c->at += length;
    }
    if (c->at == c->end) {
        return "a string does not end";
    }
    c->at++;
    *to = '\0';
    return NULL;
}

static const char *parse_list(struct cursor *c, struct json_member *member)
{
    struct json_object *object = c->object;
    if (object->item_room > 0) {
        member->items = object->items + object->item_count;
    }
    if (take(c, ']')) {
        return NULL;
    }
    do {
        if (object->item_count == object->item_room) {
            return "lists have too many items";
        }
        skip_space(c);
        const char *wrong = parse_integer(c, &object->items[object->item_count]);
        if (wrong != NULL) {
            return wrong;
        }
        object->item_count++;
        member->item_count++;
    } while (take(c, ','));
    return take(c, ']') ? NULL : "a list does not end with ]";
}

static const char *parse_value(struct cursor *c, struct json_member *member)
{
    skip_space(c);
    if (take(c, '"')) {
        member->kind = JSON_STRING;
        return parse_string(c, &member->string);
    }
    if (take(c, '[')) {
        member->kind = JSON_LIST;
        return parse_list(c, member);
    }
    member->kind = JSON_BOOLEAN;
    if (take_word(c, "true")) {
        member->integer = 1;
        return NULL;
    }
    if (take_word(c, "false")) {
        return NULL;
    }
    member->kind = JSON_INTEGER;
    return parse_integer(c, &member->integer);
}

static const char *parse_member(struct cursor *c)
{
    struct json_object *object = c->object;
    struct json_member member = {0};
    if (object->member_count == JSON_MEMBERS) {
        return "the object has too many keys";
    }
    const char *wrong = take(c, '"') ? parse_string(c, &member.key) : "a key is not a string";
    if (wrong == NULL && json_find(object, member.key) != NULL) {
        wrong = "a key appears twice";
    }
    if (wrong == NULL && !take(c, ':')) {
        wrong = "a key is not followed by a colon";
    }
    if (wrong == NULL) {
        wrong = parse_value(c, &member);
    }
    if (wrong == NULL) {
        object->members[object->member_count++] = member;
    }
    return wrong;
}

const char *json_parse(char *text, size_t bytes, struct json_object *object)
{
    struct cursor c = {text, text + bytes, object};
    object->member_count = object->item_count = 0;
    if (!take(&c, '{')) {
        return "the request is not a JSON object";
    }
    if (!take(&c, '}')) {
        do {
            const char *wrong = parse_member(&c);
            if (wrong != NULL) {
                return wrong;
            }
        } while (take(&c, ','));
        if (!take(&c, '}')) {
            return "the object does not end with }";
        }
    }
    skip_space(&c);
    return c.at == c.end ? NULL : "something follows the object";
}

static bool is_same(const char *one, const char *other)
{
    size_t bytes = strlen(one);
    return strlen(other) == bytes && memcmp(one, other, bytes) == 0;
}

const struct json_member *json_find(const struct json_object *object, const char *key)
{
    for (size_t i = 0; i < object->member_count; i++) {
        if (is_same(object->members[i].key, key)) {
            return &object->members[i];
        }
    }
    return NULL;
}
