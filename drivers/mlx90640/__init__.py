"""MLX90640, an array of 32 x 24 infrared pixels on the I2C bus.

`registers`: the device's memory; `calibration`: what the factory wrote into its EEPROM; `compensation`: from the raw
words to temperatures; `forehead`: whom the picture shows, and how warm; `device`: a thermometer out of all of it.

The bus. A picture's half is 1,664 bytes: 38 ms at 400 kHz, 150 ms at 100 kHz. The device understands fast mode plus
(1 MHz), but its EEPROM is read reliably up to 400 kHz only (issue 14 of Melexis' library), which is also what the
Raspberry Pi's controller is specified for; so set `dtparam=i2c_arm_baudrate=400000` in config.txt. The driver measures
how fast the bus is and takes 8 halves a second where it keeps up, else 4, else it says so. An MLX90614 takes 100 kHz
at most: give it a bus of its own. A VL53L0X may share this one. The device's I2C configuration (0x800F) stays as it
comes: fast mode plus is allowed there, which at 400 kHz does no harm.

Mount it so that the picture stands upright (row 1 of the data sheet's "Pixel position" on top): the forehead is
looked for in the upper half of a face.

Sources: Melexis data sheet 3901090640 (revision 12; sections 10 registers, 11 calculations) and Melexis' C library
(github.com/melexis/mlx90640-library, MLX90640_API.c, Apache-2.0), which settles what the data sheet leaves open.
"""
