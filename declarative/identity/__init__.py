"""Credentials: where they come from, and how requests are authorized.

values       named values with their sources      keystone     requests for a token, and what IAM answers
yaml_file    YAML that nobody has checked         signing      a request, signed with an access key
cloud_files  where clouds.yaml and its like are   catalogue    where SDRS and IAM are
clouds       one cloud of them                    iam          IAM over HTTP
environment  OS_*, HW_* and SDRS_*                sign_in      a token that is renewed, or signatures
ways         what each way in needs               opening      from credentials to an access
credentials  one source and one way in            survey       what each source has, used or not
sources      all of these, in their order
"""
