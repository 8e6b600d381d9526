#ifndef CDAMA_PROCESSORS_H
#define CDAMA_PROCESSORS_H

/* Processors in this process's affinity mask; 0 where the system does not tell. */
int cdama_allowed_processors(void);

#endif
