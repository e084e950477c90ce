/* autosize_settings.h: the settings of "autosize" that no other method has.
 */
#ifndef AUXO_SIZING_AUTOSIZE_SETTINGS_H
#define AUXO_SIZING_AUTOSIZE_SETTINGS_H

#include "task.h"

extern const auxo_setting auxo__autosize_settings[];

#endif
