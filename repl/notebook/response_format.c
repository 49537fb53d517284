/* SPDX-License-Identifier: MIT */
#include "notebook/response_format.h"

int response_format_set(struct response_format *f, json_t *json, struct phi3v_error *err)
{
    struct schema *schema;
    int rc = schema_compile(json, &schema, err);
    if (rc) return rc;
    response_format_free(f);
    f->json = json_incref(json);
    f->schema = schema;
    return 0;
}

void response_format_free(struct response_format *f)
{
    response_format_forget_model(f);
    schema_free(f->schema);
    json_decref(f->json);
    *f = (struct response_format){0};
}

void response_format_forget_model(struct response_format *f)
{
    vocabulary_free(f->vocabulary);
    f->vocabulary = NULL;
}

int response_format_begin(struct response_format *f, const phi3v_model *model, struct binding **ret,
                          struct phi3v_error *err)
{
    *ret = NULL;
    if (!f->schema) return 0;
    int rc = f->vocabulary ? 0 : vocabulary_new(model, &f->vocabulary, err);
    return rc ? rc : binding_new(f->schema, f->vocabulary, ret, err);
}

json_t *response_format_json(const struct response_format *f)
{
    return json_pack("{s:s,s:{s:s,s:b,s:O}}", "type", "json_schema", "json_schema", "name",
                     "answer", "strict", 1, "schema", f->json);
}
