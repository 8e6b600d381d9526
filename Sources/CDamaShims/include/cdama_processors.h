#ifndef CDAMA_PROCESSORS_H
#define CDAMA_PROCESSORS_H

/* The number of processors in this process's affinity mask; 0 if the system does not report it. */
int cdama_allowed_processors(void);

#endif
