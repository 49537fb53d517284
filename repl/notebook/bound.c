/* SPDX-License-Identifier: MIT */
#include "notebook/bound.h"

int bound_set(struct bound *b, json_t *json, struct phi3v_error *err)
{
    struct schema *schema;
    int rc = schema_compile(json, &schema, err);
    if (rc) return rc;
    bound_free(b);
    b->json = json_incref(json);
    b->schema = schema;
    return 0;
}

void bound_free(struct bound *b)
{
    bound_forget_model(b);
    schema_free(b->schema);
    json_decref(b->json);
    *b = (struct bound){0};
}

void bound_forget_model(struct bound *b)
{
    vocabulary_free(b->vocabulary);
    b->vocabulary = NULL;
}

int bound_begin(struct bound *b, const phi3v_model *model, struct binding **ret,
                struct phi3v_error *err)
{
    *ret = NULL;
    if (!b->schema) return 0;
    int rc = b->vocabulary ? 0 : vocabulary_new(model, &b->vocabulary, err);
    return rc ? rc : binding_new(b->schema, b->vocabulary, ret, err);
}

json_t *bound_response_format(const struct bound *b)
{
    return json_pack("{s:s,s:{s:s,s:b,s:O}}", "type", "json_schema", "json_schema", "name",
                     "answer", "strict", 1, "schema", b->json);
}
