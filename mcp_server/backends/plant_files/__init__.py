"""A plant's own CSV files. `layout.py` lists them, the `..._files.py` say what stands in each, with the words of
`columns.py` and `cells.py`. `checking.py` finds every wrong row before anything is stored, and `loading.py` makes
records of them with the readers of the sample plant.
"""

from mcp_server.backends.plant_files.checking import WrongPlantFiles
from mcp_server.backends.plant_files.layout import PLANT_FILES
from mcp_server.backends.plant_files.loading import own_records

__all__ = ["PLANT_FILES", "WrongPlantFiles", "own_records"]
