"""Plays scenarios through the real gate thread in virtual time: what would the lane do?"""
