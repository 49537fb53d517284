/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "weights/foreign.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define TAKE_RELEASE "; open the folder of the safetensors release"

/* File names of other formats, the most specific first. */
static const struct {
    const char *pattern, *what;
} forms[] = {
    {"*.gguf", "a model in GGUF form (llama.cpp)" TAKE_RELEASE},
    {"*.ggml", "a model in GGML form (llama.cpp)" TAKE_RELEASE},
    {"*.onnx", "a model in ONNX form" TAKE_RELEASE},
    {"genai_config.json", "a model in ONNX form" TAKE_RELEASE},
    {"openvino*.xml", "a model in OpenVINO form" TAKE_RELEASE},
    {"*.engine", "a model in TensorRT form" TAKE_RELEASE},
    {"*.mlpackage", "a model in Core ML form" TAKE_RELEASE},
    {"*.mlmodelc", "a model in Core ML form" TAKE_RELEASE},
    {"*.tflite", "a model in TensorFlow Lite form" TAKE_RELEASE},
    {"*.h5", "a model in TensorFlow form" TAKE_RELEASE},
    {"*.msgpack", "a model in Flax form" TAKE_RELEASE},
    {"*.npz", "a model in NumPy form" TAKE_RELEASE},
    {"*.bin", "a model as PyTorch pickles (.bin); load it in Python and save it as safetensors "
              "(save_pretrained), or open the folder of the safetensors release"},
    {"*.pt", "a model as PyTorch pickles (.pt); load it in Python and save it as safetensors "
             "(save_pretrained), or open the folder of the safetensors release"},
    {"*.pth", "a model as PyTorch pickles (.pth); load it in Python and save it as safetensors "
              "(save_pretrained), or open the folder of the safetensors release"},
    {"*.ckpt", "a checkpoint of training (.ckpt); load it in Python and save it as safetensors "
               "(save_pretrained)"},
    {"*.distcp", "a checkpoint of training in pieces; load it in Python and save it as safetensors "
                 "(save_pretrained)"},
    {"*.phiscope-part",
     "weights that phiscope quantize did not finish; run it again with this folder"},
    {"*.incomplete", "a download that did not finish; let it finish, or begin again"},
    {"*.part", "a download that did not finish; let it finish, or begin again"},
    {"*.crdownload", "a download that did not finish; let it finish, or begin again"},
    {"*.tar", "an archive; unpack it first"},
    {"*.tar.?z*", "an archive; unpack it first"},
    {"*.tgz", "an archive; unpack it first"},
    {"*.zip", "an archive; unpack it first"},
    {"model-*-of-*.safetensors",
     "shards of weights without model.safetensors.index.json; download that file too"},
    {"*.safetensors",
     "safetensors under another name than model.safetensors; rename it if it holds "
     "the whole model"},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

struct listing {
    bool config, weights, adapter;
    int form;       // index into forms of the best match so far; N_FORMS: none
    char name[100]; // of that file
};

/* Files that training leaves next to any model. */
static bool is_of_training(const char *name)
{
    static const char *const names[] = {"training_args.bin", "optimizer.*", "scheduler.*",
                                        "rng_state*", "scaler.*"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fnmatch(names[i], name, 0) == 0) return true;
    return false;
}

static bool has_form(const char *name, int form)
{
    return fnmatch(forms[form].pattern, name, FNM_CASEFOLD | FNM_PERIOD) == 0;
}

static void note(struct listing *l, const char *name)
{
    if (is_of_training(name)) return;
    if (strcmp(name, "config.json") == 0) l->config = true;
    if (strcmp(name, "adapter_config.json") == 0) l->adapter = true;
    if (strcmp(name, "model.safetensors") == 0 || strcmp(name, "model.safetensors.index.json") == 0)
        l->weights = true;
    for (int i = 0; i < l->form; i++) {
        if (!has_form(name, i)) continue;
        l->form = i;
        snprintf(l->name, sizeof l->name, "%.99s", name);
    }
}

static bool list_folder(const char *dir, struct listing *ret)
{
    *ret = (struct listing){.form = N_FORMS};
    DIR *d = opendir(dir);
    if (!d) return false;
    for (const struct dirent *e; (e = readdir(d));) note(ret, e->d_name);
    closedir(d);
    return true;
}

/* An adapter is a change to a model in another folder; other programs would apply it. */
static int refuse_adapter(const char *dir, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, "adapter_config.json");
    json_t *root = NULL;
    if (!path) return err_memory(err, dir, strlen(dir));
    if (json_file_load(path, &root, NULL) != 0) root = NULL;
    const char *base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    int code = err_set(err, PHI3V_E_UNSUPPORTED,
                       "%s holds an adapter (LoRA) to %.100s, which is not applied here; merge it "
                       "in Python (merge_and_unload, then save_pretrained) and open that folder, "
                       "or take adapter_config.json away if it is merged already",
                       dir, base && *base ? base : "another model");
    json_decref(root);
    return code;
}

int foreign_check(const char *dir, struct phi3v_error *err)
{
    struct listing l;
    if (!list_folder(dir, &l)) return 0;
    if (l.adapter) return refuse_adapter(dir, err);
    if ((l.config && l.weights) || l.form == N_FORMS) return 0;
    if (l.weights && fnmatch("*.safetensors", l.name, 0) == 0)
        return err_set(err, PHI3V_E_MODEL,
                       "%s has weights, but no config.json: download that file too", dir);
    return err_set(err, PHI3V_E_UNSUPPORTED, "%s has %s, but no %s: it holds %s", dir, l.name,
                   l.config ? "model.safetensors" : "config.json", forms[l.form].what);
}

int foreign_check_file(const char *path, struct phi3v_error *err)
{
    const char *slash = strrchr(path, '/');
    for (int i = 0; i < N_FORMS; i++)
        if (has_form(slash ? slash + 1 : path, i))
            return err_set(err, PHI3V_E_UNSUPPORTED, "%s is %s", path, forms[i].what);
    return 0;
}
