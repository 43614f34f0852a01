"""Workbooks of Excel's kind (XLSX, ECMA-376), read row by row however large they are."""
