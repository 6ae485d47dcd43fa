"""The reference project: will a flight out of New York arrive fifteen or more minutes late, or never?"""
