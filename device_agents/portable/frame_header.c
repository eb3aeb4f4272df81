#include "frame_header.h"

#include <string.h>

#include "crc32.h"
#include "little_endian.h"

enum { JSON_BYTES = 4, BLOB_BYTES = 8, CRC = 12 }; /* where they stand in the header */
static const char MAGIC[FRAME_MAGIC_BYTES] = {'E', 'P', 'F', '2'};

bool frame_fits(size_t json_bytes, size_t blob_bytes)
{
    return json_bytes <= FRAME_JSON_LIMIT && blob_bytes <= FRAME_BLOB_LIMIT;
}

/* Of the lengths and of what follows the header. */
static uint32_t crc_of(const unsigned char *header, const void *json, size_t json_bytes,
                       const void *blob, size_t blob_bytes)
{
    uint32_t crc = crc32_of(0, header + JSON_BYTES, CRC - JSON_BYTES);
    crc = crc32_of(crc, json, json_bytes);
    return crc32_of(crc, blob, blob_bytes);
}

bool frame_header_make(unsigned char header[FRAME_HEADER_BYTES], const void *json,
                       size_t json_bytes, const void *blob, size_t blob_bytes)
{
    if (!frame_fits(json_bytes, blob_bytes)) {
        return false;
    }
    memcpy(header, MAGIC, sizeof MAGIC);
    put_little32(header + JSON_BYTES, (uint32_t)json_bytes);
    put_little32(header + BLOB_BYTES, (uint32_t)blob_bytes);
    put_little32(header + CRC, crc_of(header, json, json_bytes, blob, blob_bytes));
    return true;
}

bool frame_begins(const unsigned char magic[FRAME_MAGIC_BYTES])
{
    return memcmp(magic, MAGIC, sizeof MAGIC) == 0;
}

bool frame_header_read(const unsigned char header[FRAME_HEADER_BYTES],
                       struct frame_lengths *lengths)
{
    lengths->json_bytes = get_little32(header + JSON_BYTES);
    lengths->blob_bytes = get_little32(header + BLOB_BYTES);
    return frame_fits(lengths->json_bytes, lengths->blob_bytes);
}

bool frame_is_whole(const unsigned char header[FRAME_HEADER_BYTES], const void *json,
                    const void *blob)
{
    return crc_of(header, json, get_little32(header + JSON_BYTES), blob,
                  get_little32(header + BLOB_BYTES)) == get_little32(header + CRC);
}
