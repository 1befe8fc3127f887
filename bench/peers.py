"""What our figures are compared with."""

UPDATE_ROW = "UPDATE bench_row SET number = number + 1 WHERE id = 1"
