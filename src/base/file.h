/* SPDX-License-Identifier: MIT
 * Files: read-only maps and whole reads. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdint.h>

#include "base/err.h"

struct file_map {
    const uint8_t *data;
    size_t n_bytes;
    int fd;             // of the file, open while it is mapped
    int64_t changed_ns; // when its contents were last changed
};

/* Maps a regular file read-only. Error IO names path and reason. An empty file maps to n_bytes 0.
 */
int file_map_open(const char *path, struct file_map *ret_map, struct phi3v_error *err);
enum file_map_state { FILE_MAP_AS_IT_WAS, FILE_MAP_CUT, FILE_MAP_CHANGED };
/* What has happened to the file since it was mapped. Reading past the end of a file that was cut
 * raises SIGBUS. */
enum file_map_state file_map_state(const struct file_map *map);
/* Hints to the system that all of it will be read soon, in streams: it can fetch it ahead, and use
 * large pages. */
void file_map_want(const struct file_map *map);
void file_map_close(struct file_map *map);
/* Reads a whole file of at most limit bytes; NUL-terminated, freed with mem_free. */
int file_read(const char *path, size_t limit_bytes, char **ret_data, size_t *ret_n,
              struct phi3v_error *err);
int file_exists(const char *path); /* 1 for anything that can be stat'ed */
int file_is_dir(const char *path);
/* "dir/name" into a new string (mem_free), NULL without memory. */
char *path_join(const char *dir, const char *name);

#endif
