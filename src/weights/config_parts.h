/* SPDX-License-Identifier: MIT
 * What the files that read a config share: required values, and unread keys. */
#ifndef WEIGHTS_CONFIG_PARTS_H
#define WEIGHTS_CONFIG_PARTS_H

#include "base/json.h"
#include "weights/config.h"

/* The longest sequence a config may announce. */
enum { CONFIG_MAX_POSITIONS = 1 << 24 };

/* The normalisation of pictures unless the files say otherwise. */
extern const float config_clip_mean[3], config_clip_std[3];

/* Reads positions and rotary embedding in any known spelling; needs head_dim. */
void config_read_rope(struct json_reader *r, const json_t *root, struct config *c);
/* After a section of config.json was read: refuses keys that are set but not in `read` (a
 * NULL-terminated list) and whose names are about the arithmetic. head_dim 0: the section has no
 * heads. */
void config_refuse_unread(struct json_reader *r, const char *section, const json_t *obj,
                          const char *const *read, int head_dim);
/* The same for a section where every key that is set matters. */
void config_refuse_all_unread(struct json_reader *r, const char *section, const json_t *obj,
                              const char *const *read);

#endif
