#include "heap_text.h"

#include <stdlib.h>

#include "failure.h"

bool heap_grow(struct text *text, size_t more)
{
    size_t room = text->room * 2 + more + 256;
    char *larger = realloc(text->data, room);
    if (larger == NULL) {
        die("no memory for an answer");
    }
    text->data = larger;
    text->room = room;
    return true;
}

void heap_free(struct text *text)
{
    free(text->data);
    *text = (struct text){.grow = heap_grow};
}
