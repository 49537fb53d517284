/* SPDX-License-Identifier: MIT
 * The one place where libphi3v reads the environment; each name is listed in docs/environment.md.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

const char *env_cpu(void);         /* PHI3V_CPU: highest kernel level allowed */
const char *env_backend_dir(void); /* PHI3V_BACKEND_DIR: the folder of backend modules */
long env_fail_alloc(void);         /* PHISCOPE_FAIL_ALLOC: which one fails; 0: none */
/* The root of the Hugging Face cache, from HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME,
 * XDG_CACHE_HOME or HOME; a new string (mem_free), NULL when none is set or without memory. */
char *env_hub_cache(void);
const char *env_hub_endpoint(void); /* HF_ENDPOINT: another address of the hub, or NULL */
const char *env_home(void);         /* HOME */

#endif
