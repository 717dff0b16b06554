"""Who we are to the cloud, and how each request shows it.

values       named values with their sources      keystone     requests for a token, and what IAM answers
yaml_file    YAML that nobody has checked         signing      a request, signed with an access key
cloud_files  where clouds.yaml and its like are   iam          IAM over HTTP
clouds       one cloud of them                    sign_in      a token that is renewed, or signatures
environment  OS_*, HW_* and SDRS_*
ways         what each way in needs
credentials  one source and one way in
sources      all of these, in their order
"""
