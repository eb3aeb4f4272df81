/* Text in memory of the heap, which grows as need be. */
#ifndef EDGEPRUNE_HEAP_TEXT_H
#define EDGEPRUNE_HEAP_TEXT_H

#include "../portable/text.h"

/* For `grow` of an empty text; where there is no memory, the process ends. */
bool heap_grow(struct text *text, size_t more);

/* Frees the memory; the text is empty then and may be written again. */
void heap_free(struct text *text);

#endif
